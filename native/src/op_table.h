// The only list of ops: X(C++ function, JavaScript name). A binding file defines each function.
#pragma once

// clang-format off
#define CAI_OPS(X) \
  X(AllocateAligned, "allocateAligned") \
  X(BiasBackward, "biasBackward") \
  X(CpuTarget, "cpuTarget") \
  X(Matmul, "matmul") \
  X(RmsNormBackward, "rmsNormBackward") \
  X(RmsNormForward, "rmsNormForward") \
  X(SetThreads, "setThreads") \
  X(Threads, "threads")
// clang-format on
