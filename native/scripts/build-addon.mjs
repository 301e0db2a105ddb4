// Usage: node scripts/build-addon.mjs [--prebuild]
// Compiles the addon into build/Release (only what changed), or with --prebuild from scratch into prebuilds/, and beside it
// the thin library over each family of MPI whose headers are installed.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { mpiFamilies, mpiIncludeFolder } from "./mpi-families.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const require = createRequire(import.meta.url);

// Node's own headers, where this installation has them: no download, and they match the running version.
const prefix = dirname(dirname(process.execPath));
const env = { ...process.env };
if (existsSync(join(prefix, "include", "node", "node_api.h"))) env.npm_config_nodedir = prefix;

// gcc takes kernel headers for system headers, since Highway's foreach_target.h includes them first, and leaves them out
// of its dependency files: a changed header would rebuild nothing.
const release = join(root, "build", "Release");
const addon = join(release, "cai_native.node");
const headers = readdirSync(join(root, "src"), { recursive: true }).filter((file) => file.endsWith(".h"));
if (existsSync(addon)) {
  const built = statSync(addon).mtimeMs;
  if (headers.some((file) => statSync(join(root, "src", file)).mtimeMs > built)) {
    rmSync(join(release, "obj.target"), { recursive: true, force: true });
  }
}

const prebuild = process.argv.includes("--prebuild");
const tool = prebuild
  ? [require.resolve("prebuildify/bin.js"), "--napi", "--strip", "--tag-libc"]
  : [require.resolve("node-gyp/bin/node-gyp.js"), "configure", "build", "--jobs", String(availableParallelism())];
run(process.execPath, tool);
const target = prebuild ? join(root, "prebuilds", `${process.platform}-${process.arch}`) : release;
for (const family of mpiFamilies) buildMpiLibrary(family, target);

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, env, stdio: "inherit" });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

/** Not linked with MPI, which the addon opens before it: a missing one is a reason in an error message. */
function buildMpiLibrary(family, folder) {
  const include = mpiIncludeFolder(family);
  if (!include) return;
  const source = join(root, "src", "communicator", "mpi_library.cc");
  const library = join(folder, `libcai_mpi_${family}.so`);
  const inputs = [source, join(root, "src", "communicator", "mpi_interface.h"), join(include, "mpi.h")];
  if (existsSync(library) && inputs.every((input) => statSync(input).mtimeMs < statSync(library).mtimeMs)) return;
  mkdirSync(folder, { recursive: true });
  const flags = ["-std=c++17", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden"];
  const link = ["-static-libstdc++", "-static-libgcc", "-Wl,--exclude-libs,ALL", ...(prebuild ? ["-s"] : [])];
  const extra = ["CXXFLAGS", "LDFLAGS"].flatMap((name) => (process.env[name] ?? "").split(" ").filter(Boolean));
  // C++ bindings of MPI, which both headers would bring along, need a library of their own.
  const defines = ["-DOMPI_SKIP_MPICXX", "-DMPICH_SKIP_MPICXX"];
  const paths = ["-isystem", include, "-I", join(root, "src"), source, "-o", library];
  run(process.env.CXX ?? "g++", [...flags, ...defines, ...paths, ...link, ...extra]);
}
