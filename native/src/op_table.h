// The only list of ops: X(C++ function, JavaScript name). A binding file defines each function.
#pragma once

// clang-format off
#define CAI_OPS(X) \
  X(ActivationBackward, "activationBackward") \
  X(ActivationForward, "activationForward") \
  X(AllocateAligned, "allocateAligned") \
  X(BiasBackward, "biasBackward") \
  X(CpuTarget, "cpuTarget") \
  X(CrossEntropyBackward, "crossEntropyBackward") \
  X(CrossEntropyForward, "crossEntropyForward") \
  X(EmbeddingBackward, "embeddingBackward") \
  X(EmbeddingForward, "embeddingForward") \
  X(LayerNormBackward, "layerNormBackward") \
  X(LayerNormForward, "layerNormForward") \
  X(Matmul, "matmul") \
  X(RmsNormBackward, "rmsNormBackward") \
  X(RmsNormForward, "rmsNormForward") \
  X(Rotary, "rotary") \
  X(SetThreads, "setThreads") \
  X(SiluGatedBackward, "siluGatedBackward") \
  X(SiluGatedForward, "siluGatedForward") \
  X(Threads, "threads")
// clang-format on
