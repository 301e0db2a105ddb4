// The only list of ops: X(C++ function, JavaScript name). A binding file defines each function.
#pragma once

// clang-format off
#define CAI_OPS(X) \
  X(AllocateAligned, "allocateAligned") \
  X(AttentionBackward, "attentionBackward") \
  X(AttentionForward, "attentionForward") \
  X(CpuTarget, "cpuTarget") \
  X(RmsNormBackward, "rmsNormBackward") \
  X(RmsNormForward, "rmsNormForward") \
  X(SetThreads, "setThreads") \
  X(Threads, "threads")
// clang-format on
