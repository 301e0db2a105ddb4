import { CaiError } from "@cai/portable/error";

/** What `CAI_BACKEND` may say. */
export type BackendWish = "portable" | "cpu" | "cuda" | "auto";

const wishes: readonly string[] = ["portable", "cpu", "cuda", "auto"] satisfies BackendWish[];
const cpuTargets: readonly string[] = ["avx512", "avx2", "baseline"];

/** Why no process of this version has CUDA. */
export const cudaReason = "this version of @cai/native comes without a CUDA library";

/** The backend that the environment asks for. @throws CaiError `E_CONFIG` when it names none. */
export function backendWish(): BackendWish {
  return choiceOf("CAI_BACKEND", wishes, "auto") as BackendWish;
}

/** Refuses settings under which the addon is not to be used. @throws CaiError `E_CONFIG`, `E_LOAD`, `E_DEVICE`. */
export function checkSettings(): void {
  const wish = backendWish();
  choiceOf("CAI_CPU_TARGET", cpuTargets, "");
  if (wish === "portable") {
    const message = "CAI_BACKEND=portable keeps the native addon out of this process: unset it to use native ops";
    throw new CaiError("E_LOAD", "native", message);
  }
  if (wish === "cuda") {
    const message = `CAI_BACKEND=cuda can't be had: ${cudaReason}. Set it to cpu, or to auto for the best there is`;
    throw new CaiError("E_DEVICE", "native", message);
  }
}

function choiceOf(variable: string, choices: readonly string[], fallback: string): string {
  const value = process.env[variable] || fallback;
  if (value !== fallback && !choices.includes(value)) {
    throw new CaiError("E_CONFIG", "native", `${variable} must be ${choices.join(", ")} or unset, got "${value}"`);
  }
  return value;
}
