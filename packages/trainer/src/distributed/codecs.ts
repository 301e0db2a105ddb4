import { bf16Codec, float32Codec, type GradientCodec, squinchCodec } from "@cai/squinch";
import type { Recipe } from "../config/recipe.js";

/** The codec that a recipe asks for. */
export function codecOf({ exchange, codebook, rounding, gain }: Recipe["distributed"]): GradientCodec {
  if (exchange === "float32") return float32Codec;
  if (exchange === "bf16") return bf16Codec;
  return squinchCodec({ codebook, rounding, gain });
}
