// The only list of ops: X(C++ function, JavaScript name). A binding file defines each function.
#pragma once

// clang-format off
#define CAI_OPS(X) \
  X(ActivationBackward, "activationBackward") \
  X(ActivationForward, "activationForward") \
  X(AdamwStep, "adamwStep") \
  X(AllocateAligned, "allocateAligned") \
  X(AttentionBackward, "attentionBackward") \
  X(AttentionForward, "attentionForward") \
  X(Bf16Round, "bf16Round") \
  X(Bf16ToFloat32, "bf16ToFloat32") \
  X(BiasBackward, "biasBackward") \
  X(CpuTarget, "cpuTarget") \
  X(CrossEntropyBackward, "crossEntropyBackward") \
  X(CrossEntropyForward, "crossEntropyForward") \
  X(EmbeddingBackward, "embeddingBackward") \
  X(EmbeddingForward, "embeddingForward") \
  X(Float32ToBf16, "float32ToBf16") \
  X(LayerNormBackward, "layerNormBackward") \
  X(LayerNormForward, "layerNormForward") \
  X(Matmul, "matmul") \
  X(RandomNormal, "randomNormal") \
  X(RandomUniform, "randomUniform") \
  X(RmsNormBackward, "rmsNormBackward") \
  X(RmsNormForward, "rmsNormForward") \
  X(Rotary, "rotary") \
  X(SetThreads, "setThreads") \
  X(SiluGatedBackward, "siluGatedBackward") \
  X(SiluGatedForward, "siluGatedForward") \
  X(SoftcapBackward, "softcapBackward") \
  X(SoftcapForward, "softcapForward") \
  X(SquinchDecode, "squinchDecode") \
  X(SquinchEncode, "squinchEncode") \
  X(SumOfSquares, "sumOfSquares") \
  X(Threads, "threads")
// clang-format on
