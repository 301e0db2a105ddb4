export { MetricsWriter, readMetrics } from "./metrics-file.js";
export type { MetricsRecord } from "./record.js";
export { writeReport } from "./report.js";
export { type RunSummary, writeSummary } from "./summary.js";
