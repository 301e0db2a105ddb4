// Marks a function that the CPU and the CUDA build share.
#pragma once

#if defined(__CUDACC__)
#define CAI_HOST_DEVICE __host__ __device__
#else
#define CAI_HOST_DEVICE
#endif
