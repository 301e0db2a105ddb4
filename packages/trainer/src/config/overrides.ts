import { CaiError } from "@cai/native";
import { parse as parseYaml } from "yaml";
import { isKnownPath, suggestion } from "./field-paths.js";

type Section = Record<string, unknown>;

/**
 * A copy of `value` with fields replaced, not yet checked: {@link parseRecipe} does that.
 *
 * @param value a recipe, complete or not.
 * @param overrides `path=value`, in order: `optim.lr=3e-4`, `schedule={kind: cosine, warmupSteps: 20}`. The value is
 *   YAML. The path is dotted; `data.weights.<corpus>` is one too.
 * @throws CaiError `E_CONFIG` for an unknown path, with the nearest one, or for what is no assignment.
 */
export function applyOverrides(value: object, overrides: readonly string[]): object {
  const copy: object = structuredClone(value);
  for (const override of overrides) {
    const { path, text } = split(override);
    if (!isKnownPath(path)) refuse(override, `expected a known field, got ${path || "nothing"}; ${suggestion(path)}`);
    assign(copy as Section, namesOf(path), parseValue(override, text), override);
  }
  return copy;
}

function split(override: string): { path: string; text: string } {
  const equals = override.indexOf("=");
  const text = override.slice(equals + 1).trim();
  if (equals < 0 || text === "") refuse(override, "expected path=value, as in optim.lr=3e-4");
  return { path: override.slice(0, equals).trim(), text };
}

function parseValue(override: string, text: string): unknown {
  try {
    return parseYaml(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    return refuse(override, `expected a YAML value, got ${text} (${reason})`, cause);
  }
}

/** A corpus name may hold dots, so all that follows `data.weights.` is one name. */
function namesOf(path: string): string[] {
  const parts = path.split(".");
  return parts.length > 3 ? [...parts.slice(0, 2), parts.slice(2).join(".")] : parts;
}

function assign(root: Section, names: readonly string[], value: unknown, override: string): void {
  let section = root;
  for (const name of names.slice(0, -1)) {
    const next = section[name] ?? {};
    if (typeof next !== "object" || Array.isArray(next)) {
      refuse(override, `expected ${name} to be a section of fields, got ${JSON.stringify(next)}`);
    }
    section[name] = next;
    section = next as Section;
  }
  section[names.at(-1) ?? ""] = value;
}

function refuse(override: string, reason: string, cause?: unknown): never {
  throw new CaiError("E_CONFIG", "recipe", `--set ${override}: ${reason}`, { cause });
}
