import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { CaiError } from "@cai/native";
import { repositoryRoot } from "./paths.js";

interface Setup {
  installDebianPackages(packages: readonly string[]): Promise<void>;
}

/**
 * Makes sure that a peer is there: installs its Debian packages as root or through a sudo without password.
 *
 * @param present tells whether the peer works.
 * @throws an error whose message is the command to type, when they can't be installed from here.
 */
export async function requireDebianPackages(packages: readonly string[], present: () => boolean): Promise<void> {
  if (present()) return;
  const script = pathToFileURL(join(repositoryRoot, "scripts", "setup.mjs")).href;
  const { installDebianPackages } = (await import(script)) as Setup;
  await installDebianPackages(packages);
  if (!present()) {
    throw new CaiError(
      "E_LOAD",
      "bench",
      `expected ${packages.join(", ")} to work once installed, but something is amiss`,
    );
  }
}
