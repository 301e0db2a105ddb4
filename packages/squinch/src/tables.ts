/** float32 values from their bit patterns: `Math.exp` differs between engines, a bit pattern does not. */
function floats(...bits: number[]): Float32Array {
  return new Float32Array(Uint32Array.from(bits).buffer);
}

/** The same from text: long tables stay readable, and FORMAT.md has them in this form. */
function floatsOfHex(text: string): Float32Array {
  return floats(
    ...text
      .trim()
      .split(/\s+/)
      .map((bits) => Number.parseInt(bits, 16)),
  );
}

/** maxabs[q] = round32(exp((q − 128) / 6)): what the largest magnitude of a block is taken to be below. */
export const maxima = floatsOfHex(`
  30155856 30306e2c 30506d87 30763a78 30917136 30abd1d8 30cafb22 30efcb31
  310da433 3127545d 3145ad2f 316986f6 3189f09c 31a2f4ec 31c082b8 31e36ca7
  320655ca 321eb2bc 323b7ad0 325d7b2c 3282d314 329a8d09 32b69491 32d7b175
  32fecfb7 33168315 3331cf19 33520e75 33782704 33929427 33ad298c 33cc912c
  33f1aade 340ebf89 3428a315 3447389c 346b5a1a 348b048b 34a43ae5 34c203d0
  34e53396 35076282 351ff030 353cf1d8 355f3638 3583d8c7 359bc232 35b801cc
  35d960ec 360066b7 3617b02a 363332c8 3653b2a6 367a176a 3693b95d 36ae83f0
  36ce2a62 36f38e4b 370fdd15 3729f46c 3748c720 376d30e4 378c1aa1 37a5836b
  37c387ea 37e6fe13 38087154 38213020 383e6bce 3860f4ba 3884e085 389cf9c5
  38b971e1 38db13c3 39016791 3918df99 3934993f 39555a20 397c0bb1 3994e0de
  39afe108 39cfc6ca 39f5757e 3a10fcdd 3a2b4865 3a4a58c2 3a6f0b5d 3a8d32e4
  3aa6ce81 3ac50f0c 3ae8cc25 3b098243 3b227290 3b3fe8b7 3b62b6b9 3b85ea53
  3b9e33c8 3bbae4d6 3bdcc9ff 3c026a6d 3c1a1166 3c360282 3c5704e8 3c7e03e0
  3c960aae 3cb140db 3cd1666c 3cf76081 3d121ee5 3d2c9f06 3d4bed86 3d70e98a
  3d8e4d57 3da81c2e 3dc6993d 3dea9dd4 3e0a9555 3e23b784 3e41689b 3e647c3c
  3e86f634 3e9f703e 3ebc5ab2 3ede83a8 3f036f4e 3f1b4598 3f376e99 3f58b307
  3f800000 3f9736d1 3fb2a36e 3fd3094c 3ff94f59 40134330 402df854 404d8575
  4072cb74 408f69ff 40a96c76 40c82683 40ec7326 410baa8d 4124ff03 4142eb7f
  4166454a 4188042e 41a0af2e 41bdd379 41e040c5 42047639 421c7c32 4238dd87
  425a6481 4281000c 4298654d 42b408c5 42d4af73 42fb4210 431469c5 432f5456
  434f2093 4374b122 439088e1 43aabf5f 43c9b6e3 43ee4c23 440cc1ef 44264911
  44447168 446811ea 44891443 44a1f09c 44bf4f32 44e2015b 45057f32 451db539
  453a4f54 455c195f 45820219 45999627 45b570e8 45d658e6 45fd38ac 461592a6
  4630b30f 4650bee8 46769a9c 4691aa00 46ac14ee 46cb4a64 46f028d2 470ddb81
  472795b2 4745fa5e 4769e224 478a2678 47a3348c 47c0cde3 47e3c574 48068a3d
  481ef0b3 483bc404 485dd1a7 48830629 489ac962 48b6dbdb 48d805ad 48ff3335
  4916bdda 49321486 4952607a 497887e9 4992cd62 49ad6d29 49cce10c 49f2093a
  4a0ef745 4a28e4ee 4a478665 4a6bb5ff 4a8b3ad3 4aa47b05 4ac24f91 4ae58d14
  4b07975f 4b202ea3 4b3d3b9e 4b5f8d5f 4b840c42 4b9bff03 4bb849a4 4bd9b5cc
  4c0098da 4c17eb64 4c3378c0 4c54054f 4c7a7910 4c93f30b 4caec814 4cce7ae1
  4cf3ed64 4d101541 4d2a36c8 4d491585 4d6d8d81 4d8c5155 4da5c40b 4dc3d442
  4de75844 4e08a69a 4e216f10 4e3eb628 4e614c8f 4e851467 4e9d3710 4eb9ba49
`);

/**
 * inv[q] = round32(256 / exp((q − 128) / 6)), which is 256 · maxabs[256 − q], exactly since 256 is a power of two; q = 0 would need
 * an entry past the table's end.
 */
export const inverses = floats(
  0x52db694d,
  ...new Uint32Array(maxima.map((_, q) => 256 * (maxima[256 - q] ?? 0)).buffer).slice(1),
);

/** round32(((k + 0.5) / 16)²), exact. */
export const sqrtLevels = floats(
  0x3a800000,
  0x3c100000,
  0x3cc80000,
  0x3d440000,
  0x3da20000,
  0x3df20000,
  0x3e290000,
  0x3e610000,
  0x3e908000,
  0x3eb48000,
  0x3edc8000,
  0x3f044000,
  0x3f1c4000,
  0x3f364000,
  0x3f524000,
  0x3f704000,
);

/** The smallest float32 t whose correctly rounded float32 square root is at least k, for k of 1 to 15. */
export const sqrtThresholds = floats(
  0x3f800000,
  0x40800000,
  0x41100000,
  0x41800000,
  0x41c7ffff,
  0x42100000,
  0x42440000,
  0x42800000,
  0x42a1ffff,
  0x42c7ffff,
  0x42f1ffff,
  0x43100000,
  0x43290000,
  0x43440000,
  0x43610000,
);

/** round32(0.97 · (k / 15)^2.5). */
export const adamLevels = floats(
  0x00000000,
  0x3a91e63f,
  0x3bce553a,
  0x3c8e258c,
  0x3d11e63f,
  0x3d7ee032,
  0x3dc90697,
  0x3e13c554,
  0x3e4e553a,
  0x3e8a7d8e,
  0x3eb43971,
  0x3ee4b71f,
  0x3f0e258c,
  0x3f2da309,
  0x3f50fabf,
  0x3f7851ec,
);

/** round32(128 · (level[k − 1] + level[k])), the midpoints in units of maxabs / 256, for k of 1 to 15. */
export const adamThresholds = floats(
  0x3e11e63f,
  0x3f72ceca,
  0x4041bada,
  0x40d8f905,
  0x41486338,
  0x41a43b58,
  0x41f848a0,
  0x42310d47,
  0x4271a82b,
  0x429f5b80,
  0x42cc7848,
  0x4300408e,
  0x431de44a,
  0x433f4ee4,
  0x4364a656,
);

/** Each the float32 nearest to its four decimals, 0 to 0.9652: FORMAT.md lists them and says how they were fitted. */
export const lloydLevels = floats(
  0x00000000,
  0x3d3851ec,
  0x3dbd07c8,
  0x3e114e3c,
  0x3e45f06f,
  0x3e7d8adb,
  0x3e9c5048,
  0x3ebb7e91,
  0x3edcd35b,
  0x3f003afb,
  0x3f1374bc,
  0x3f2851ec,
  0x3f3f212d,
  0x3f58adac,
  0x3f6710cb,
  0x3f771759,
);

/** Midpoints, as {@link adamThresholds}. */
export const lloydThresholds = floats(
  0x40b851ec,
  0x418c985f,
  0x41efd220,
  0x422b9f56,
  0x4261bda5,
  0x428d8adb,
  0x42abe76c,
  0x42cc28f6,
  0x42eea4a8,
  0x4309d7dc,
  0x431de354,
  0x4333b98c,
  0x434be76c,
  0x435fdf3c,
  0x436f1412,
);
