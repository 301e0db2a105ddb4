import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { requireDebianPackages } from "./install.js";
import type { BenchModel } from "./models.js";
import { benchmarksFolder } from "./paths.js";

/** Debian's own Python: python3-torch is not there for another. */
export const torchPython = "/usr/bin/python3";
export const torchProgram = join(benchmarksFolder, "peers", "torch_gpt.py");
const libraries = "/usr/lib/x86_64-linux-gnu";
const jemalloc = `${libraries}/libjemalloc.so.2`;

/** Installs PyTorch, the OpenBLAS that suits it and jemalloc, where they are missing. */
export async function requireTorch(): Promise<void> {
  const works = () => spawnSync(torchPython, ["-c", "import torch, numpy"], { stdio: "ignore" }).status === 0;
  const openBlas = `${libraries}/openblas-openmp/libopenblas.so.0`;
  await requireDebianPackages(
    ["python3-torch", "python3-numpy", "libopenblas0-openmp", "libjemalloc2"],
    () => existsSync(openBlas) && existsSync(jemalloc) && works(),
  );
}

/**
 * The environment in which PyTorch is fastest: benchmarks/README.md has what was tried.
 * OpenBLAS with OpenMP, so that there is one thread pool; jemalloc that gives nothing back and takes huge pages, so that
 * a step has no page faults; ATen's AVX-512 kernels where the processor has them, which it does not take by itself.
 */
export function tunedTorchEnvironment(): Record<string, string> {
  return {
    OMP_NUM_THREADS: String(availableParallelism()),
    LD_LIBRARY_PATH: `${libraries}/openblas-openmp`,
    LD_PRELOAD: jemalloc,
    MALLOC_CONF: "dirty_decay_ms:-1,muzzy_decay_ms:-1,thp:always,metadata_thp:auto",
    ...(hasAvx512() && { ATEN_CPU_CAPABILITY: "avx512" }),
  };
}

function hasAvx512(): boolean {
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.split(" ") ?? [];
  return ["avx512f", "avx512bw", "avx512dq", "avx512vl"].every((flag) => flags.includes(flag));
}

/** The options of torch_gpt.py for a model. */
export function torchModelOptions({ layers, heads, width, context, batch, vocab }: BenchModel): string[] {
  const options = { layers, heads, width, context, batch, vocab, threads: availableParallelism() };
  return Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
}
