/** Who speaks: `tool` is whatever a tool gave back. */
export type ChatRole = "system" | "user" | "assistant" | "tool";

/** The names that public conversation files have for roles. */
const roles = new Map<unknown, ChatRole>([
  ["system", "system"],
  ["developer", "system"],
  ["user", "user"],
  ["human", "user"],
  ["prompter", "user"],
  ["assistant", "assistant"],
  ["gpt", "assistant"],
  ["function_call", "assistant"],
  ["tool", "tool"],
  ["function", "tool"],
  ["observation", "tool"],
]);

/** All roles there are. */
export const chatRoles: readonly ChatRole[] = ["system", "user", "assistant", "tool"];

/** The role that `name` means, by `own` names first. */
export function roleOf(name: unknown, own: Readonly<Record<string, ChatRole>> = {}): ChatRole | undefined {
  return typeof name === "string" && Object.hasOwn(own, name) ? own[name] : roles.get(name);
}

/** The names that {@link roleOf} knows, for messages. */
export function roleNames(own: Readonly<Record<string, ChatRole>> = {}): string {
  return [...Object.keys(own), ...roles.keys()].join(", ");
}
