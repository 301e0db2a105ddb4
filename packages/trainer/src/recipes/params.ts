/** What a recipe function takes: where things are on this machine. */
export interface RecipeParams {
  /** A prepared directory. */
  readonly dataDir: string;
}
