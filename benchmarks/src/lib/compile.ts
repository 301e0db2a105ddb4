import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { benchmarksFolder, repositoryRoot } from "./paths.js";

/**
 * Compiles a peer, a C++ file in peers/, when the program is missing or older than its source.
 *
 * @param options further ones, such as libraries. @returns the program's path.
 */
export function compilePeer(file: string, options: readonly string[] = []): string {
  const source = join(benchmarksFolder, "peers", file);
  const folder = join(repositoryRoot, ".cache", "peers");
  const program = join(folder, basename(file, ".cc"));
  if (existsSync(program) && statSync(program).mtimeMs > statSync(source).mtimeMs) return program;
  mkdirSync(folder, { recursive: true });
  const command = ["-std=c++17", "-O2", "-o", program, source, ...options];
  execFileSync(process.env.CXX ?? "g++", command, { stdio: "inherit" });
  return program;
}
