import { readFileSync } from "node:fs";
import { extname } from "node:path";
import { CaiError } from "@cai/native";
import { parse as parseYaml } from "yaml";

/**
 * The content of a recipe file, not yet checked: overrides may still come, then {@link parseRecipe}.
 *
 * @param path ends in .yaml, .yml or .json.
 * @throws CaiError `E_IO` when it can't be read, `E_CONFIG` when it is no YAML or JSON object, with the place.
 */
export function readRecipeFile(path: string): object {
  const value = parserFor(path)(readText(path));
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new CaiError("E_CONFIG", "recipe", `${path}: expected an object of fields, got ${JSON.stringify(value)}`);
  }
  return value;
}

function parserFor(path: string): (text: string) => unknown {
  const parse = { ".yaml": parseYaml as (text: string) => unknown, ".yml": parseYaml, ".json": JSON.parse }[
    extname(path).toLowerCase()
  ];
  if (!parse) {
    throw new CaiError("E_CONFIG", "recipe", `${path}: expected a name ending in .yaml, .yml or .json`);
  }
  return (text) => {
    try {
      return parse(text) as unknown;
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
      throw new CaiError("E_CONFIG", "recipe", `${path}: ${reason}`, { cause });
    }
  };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new CaiError("E_IO", "recipe", `${path} can't be read (${reason})`, { cause });
  }
}
