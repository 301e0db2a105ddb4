/** The operations of every backend of this machine, by name: the portable ones, and the native ones where they are. */
export function backendsOf<Ops>(
  portable: Ops,
  native: Ops | undefined,
): readonly (readonly [name: string, ops: Ops])[] {
  return [["portable", portable], ...(native ? [["cpu", native] as const] : [])];
}
