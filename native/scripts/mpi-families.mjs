// Where each family of MPI keeps its headers, for the build and the set-up.
import { existsSync } from "node:fs";
import { join } from "node:path";

const debianFolders = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" };
const debian = `/usr/lib/${debianFolders[process.arch]}`;

const places = {
  openmpi: [process.env.OPENMPI_HOME, `${debian}/openmpi`, "/usr/lib64/openmpi", "/opt/openmpi"],
  mpich: [process.env.MPICH_HOME, `${debian}/mpich`, "/usr/lib64/mpich", "/opt/mpich"],
};

/** The families that a library can be built for. */
export const mpiFamilies = Object.keys(places);

/** The folder of a family's mpi.h, undefined where it isn't installed; OPENMPI_HOME and MPICH_HOME go first. */
export function mpiIncludeFolder(family) {
  return places[family]
    .filter(Boolean)
    .map((home) => join(home, "include"))
    .find((folder) => existsSync(join(folder, "mpi.h")));
}
