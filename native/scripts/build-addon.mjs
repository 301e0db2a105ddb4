// Usage: node scripts/build-addon.mjs [--prebuild]
// Compiles the addon into build/Release (only what changed), or with --prebuild from scratch into prebuilds/.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

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

const tool = process.argv.includes("--prebuild")
  ? [require.resolve("prebuildify/bin.js"), "--napi", "--strip", "--tag-libc"]
  : [require.resolve("node-gyp/bin/node-gyp.js"), "configure", "build", "--jobs", String(availableParallelism())];
const { status, error } = spawnSync(process.execPath, tool, { cwd: root, env, stdio: "inherit" });
if (error) throw error;
process.exit(status ?? 1);
