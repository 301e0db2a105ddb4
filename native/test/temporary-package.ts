import { spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "tsup";

const packageRoot = join(dirname(fileURLToPath(import.meta.url)), "..");

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  ms: number;
}

export interface ChildOptions {
  /** Flags for Node itself. */
  nodeFlags?: string[];
  args?: string[];
  env?: Record<string, string>;
  timeoutMs?: number;
  /** Limits the address space, so that allocations fail. */
  addressSpaceKiB?: number;
}

/** A copy of this package in a folder of its own, built from the sources, with programs from `children/` beside it. */
export interface TemporaryPackage {
  readonly root: string;
  /** Runs `dist/<program>` in a Node process. */
  run(program: string, options?: ChildOptions): Promise<Ended>;
  remove(): void;
}

export interface PackageOptions {
  /** Whether the addon is there too. Default true. */
  binary?: boolean;
  /** Whether dependencies are. Default true. */
  nodeModules?: boolean;
  format?: ("esm" | "cjs")[];
}

/** Builds the package with `children` (names in `test/children`) into a temporary folder. */
export async function temporaryPackage(
  children: readonly string[],
  { binary = true, nodeModules = true, format = ["esm"] }: PackageOptions = {},
): Promise<TemporaryPackage> {
  const root = mkdtempSync(join(tmpdir(), "cai-native-"));
  const entry = Object.fromEntries(children.map((name) => [name, join(packageRoot, "test", "children", `${name}.ts`)]));
  await build({
    config: false,
    entry: { index: join(packageRoot, "js", "index.ts"), ...entry },
    outDir: join(root, "dist"),
    format,
    shims: true,
    target: "node20",
    silent: true,
    noExternal: ["@cai/test-utils"],
    external: ["node-gyp-build", "fast-check"],
    tsconfig: join(packageRoot, "tsconfig.json"),
  });
  copyFileSync(join(packageRoot, "package.json"), join(root, "package.json"));
  if (nodeModules) symlinkSync(join(packageRoot, "..", "node_modules"), join(root, "node_modules"));
  if (binary) {
    const addon = join(packageRoot, "build", "Release", "cai_native.node");
    if (!existsSync(addon)) throw new Error("the addon is not built: npm run build:addon");
    mkdirSync(join(root, "build", "Release"), { recursive: true });
    symlinkSync(addon, join(root, "build", "Release", "cai_native.node"));
  }
  return {
    root,
    run: (program, options) => runNode(join(root, "dist", program), options),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** What a child keeps of our environment: no setting of ours but a sanitizer's. */
function inherited(): Record<string, string | undefined> {
  const { PATH, LD_PRELOAD, ASAN_OPTIONS } = process.env;
  return { PATH, LD_PRELOAD, ASAN_OPTIONS };
}

/** Runs a program in a Node process to its end, or kills it after `timeoutMs`. */
export function runNode(file: string, options: ChildOptions = {}): Promise<Ended> {
  const { nodeFlags = [], args = [], env = {}, timeoutMs = 20_000, addressSpaceKiB = "unlimited" } = options;
  const started = performance.now();
  const command = [process.execPath, ...nodeFlags, file, ...args];
  const child = spawn("/bin/sh", ["-c", 'ulimit -v "$0" && exec "$@"', String(addressSpaceKiB), ...command], {
    env: { ...inherited(), ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (data) => {
    stdout += data;
  });
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr, ms: performance.now() - started }));
  });
}
