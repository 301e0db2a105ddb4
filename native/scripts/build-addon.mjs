// Usage: node scripts/build-addon.mjs [--prebuild]
// Compiles the addon into build/Release (only what changed), or with --prebuild from scratch into prebuilds/.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
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

const tool = process.argv.includes("--prebuild")
  ? [require.resolve("prebuildify/bin.js"), "--napi", "--strip", "--tag-libc"]
  : [require.resolve("node-gyp/bin/node-gyp.js"), "configure", "build", "--jobs", String(availableParallelism())];
const { status, error } = spawnSync(process.execPath, tool, { cwd: root, env, stdio: "inherit" });
if (error) throw error;
process.exit(status ?? 1);
