import { join } from "node:path";
import { CaiError } from "@cai/portable/error";

/** An implementation of MPI with a binary interface of its own. */
export type MpiFamily = "openmpi" | "mpich";

interface Family {
  readonly title: string;
  readonly libraries: readonly string[];
  /** The variable with its folder, where it is in none of the system's. */
  readonly home: string;
  /** Debian's package of its launcher and library, and of its headers. */
  readonly debian: string;
  readonly headers: string;
}

const families: Record<MpiFamily, Family> = {
  openmpi: {
    title: "Open MPI",
    libraries: ["libmpi.so.40"],
    home: "OPENMPI_HOME",
    debian: "openmpi-bin",
    headers: "libopenmpi-dev",
  },
  mpich: {
    title: "MPICH",
    libraries: ["libmpich.so.12", "libmpi.so.12"],
    home: "MPICH_HOME",
    debian: "mpich",
    headers: "libmpich-dev",
  },
};

type Environment = Readonly<Record<string, string | undefined>>;

/** The first of these variables that says how many processes the launcher started; undefined where none does. */
export function launchedSize(environment: Environment = process.env): number | undefined {
  const names = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"];
  const text = names.map((name) => environment[name]).find((value) => value !== undefined);
  return text === undefined ? undefined : Number(text);
}

/**
 * The family of the launcher that started this process, by its environment: `mpirun` of Open MPI, `mpirun` of MPICH, or
 * `srun` (PMIx: Open MPI, PMI: MPICH). Undefined when no launcher did.
 */
export function launchedBy(environment: Environment = process.env): MpiFamily | undefined {
  const has = (...names: string[]) => names.some((name) => environment[name] !== undefined);
  if (has("OMPI_COMM_WORLD_SIZE", "PMIX_RANK")) return "openmpi";
  if (has("PMI_SIZE", "PMI_RANK", "PMI_FD")) return "mpich";
  return undefined;
}

/** What to open: a family's own library, by these names in turn, and the thin library over it. */
export interface MpiChoice extends Omit<Family, "home"> {
  readonly family: MpiFamily;
  readonly thin: string;
  /** What the process's environment needs first, where it says nothing else. */
  readonly settings: readonly string[];
  /** Hydra tells of a failed rank by SIGUSR1, on which Node would open its debugger. */
  readonly ignoreSigusr1: boolean;
}

/**
 * The library for a wish, which is a family or the path of a library, else for `CAI_MPI`, else for the launcher.
 *
 * @throws CaiError `E_CONFIG` when there is neither.
 */
export function chooseMpi(wish?: string, environment: Environment = process.env): MpiChoice {
  const text = wish ?? (environment.CAI_MPI || undefined) ?? launchedBy(environment);
  if (text === undefined) {
    const advice = "start it with `mpirun -np 4 node ...` or srun, or use singleProcess()";
    throw new CaiError("E_CONFIG", "communicator", `this process was not started by a launcher of MPI: ${advice}`);
  }
  if (text === "openmpi" || text === "mpich") return choice(text, environment);
  if (!text.includes("/")) {
    const message = `the MPI library must be "openmpi", "mpich" or a path with a slash, got "${text}"`;
    throw new CaiError("E_CONFIG", "communicator", message);
  }
  return { ...choice(familyOf(text, environment), environment), libraries: [text] };
}

/** Both families may call their library libmpi.so; its number tells them apart, the launcher decides where there is none. */
function familyOf(path: string, environment: Environment): MpiFamily {
  if (/libmpich|libmpi\.so\.12/.test(path)) return "mpich";
  if (/libmpi\.so\.40|openmpi/.test(path)) return "openmpi";
  return launchedBy(environment) ?? "openmpi";
}

function choice(family: MpiFamily, environment: Environment): MpiChoice {
  const { home, libraries, ...rest } = families[family];
  const folder = environment[home];
  const own = folder ? libraries.map((name) => join(folder, "lib", name)) : [];
  return {
    ...rest,
    family,
    thin: `libcai_mpi_${family}.so`,
    libraries: [...own, ...libraries],
    settings: family === "mpich" ? ucxSettings(environment) : [],
    ignoreSigusr1: family === "mpich" && environment.PMI_FD !== undefined,
  };
}

/**
 * UCX, under MPICH, was not made for a process like Node's. It rewrites mmap, munmap and brk while other threads run them
 * (MEM_EVENTS), takes the signals by which WebAssembly traps (HANDLE_ERRORS), and ends the process when a rank dies whose
 * memory it reads (cma). Where all ranks are on one machine they need no network either.
 */
function ucxSettings({ MPI_LOCALNRANKS: local, PMI_SIZE: all }: Environment): string[] {
  const transports = local !== undefined && local === all ? "posix,sysv,self" : "^cma";
  return ["UCX_MEM_EVENTS=n", "UCX_HANDLE_ERRORS=none", `UCX_TLS=${transports}`];
}
