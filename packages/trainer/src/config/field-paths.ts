import { z } from "zod";
import { recipeFields } from "./recipe.js";

/** Whether `path` (dotted) is a field or a section of a recipe, or a corpus name below `data.weights`. */
export function isKnownPath(path: string): boolean {
  return allPaths().includes(path) || /^data\.weights\.[A-Za-z0-9]/.test(path);
}

/** The field names of a section; of the recipe itself for the empty path. */
function fieldsOf(section: string): string[] {
  const prefix = section === "" ? "" : `${section}.`;
  return allPaths()
    .filter((path) => path.startsWith(prefix) && !path.slice(prefix.length).includes("."))
    .map((path) => path.slice(prefix.length));
}

/** The known path most like `path`, by spelling or by its last name alone; undefined when none is close. */
function nearestPath(path: string): string | undefined {
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of allPaths()) {
    const distance = Math.min(
      editDistance(normal(path), normal(candidate)),
      editDistance(normal(lastName(path)), normal(lastName(candidate))) + (sameSection(path, candidate) ? 0 : 0.5),
    );
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return bestDistance <= Math.max(2, lastName(path).length * 0.4) ? best : undefined;
}

/** "did you mean …?", or the fields of the section when nothing is near. */
export function suggestion(path: string): string {
  const nearest = nearestPath(path);
  if (nearest) return `did you mean ${nearest}?`;
  const section = path.split(".").slice(0, -1).join(".");
  const names = fieldsOf(section);
  return names.length > 0 ? `fields here: ${names.join(", ")}` : `fields: ${fieldsOf("").join(", ")}`;
}

let paths: string[] | undefined;

function allPaths(): string[] {
  paths ??= pathsOf(recipeFields, "");
  return paths;
}

function pathsOf(schema: z.ZodObject, prefix: string): string[] {
  return Object.entries(schema.shape).flatMap(([name, field]) => {
    const path = prefix + name;
    const section = field instanceof z.ZodPrefault || field instanceof z.ZodExactOptional ? field.unwrap() : field;
    return section instanceof z.ZodObject ? [path, ...pathsOf(section, `${path}.`)] : [path];
  });
}

function sameSection(a: string, b: string): boolean {
  return a.slice(0, a.lastIndexOf(".") + 1) === b.slice(0, b.lastIndexOf(".") + 1);
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf(".") + 1);
}

function normal(name: string): string {
  return name.toLowerCase().replaceAll(/[_-]/g, "").slice(0, 100);
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
