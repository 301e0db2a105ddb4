#pragma once

#include <cstddef>

namespace cai {

// Zeroed pages, aligned to 2 MiB and marked for huge pages where the system has them: a training step walks hundreds of
// megabytes, and with 4 KiB pages address translation costs several percent of it. Throws OpError(kMemory).
void* AllocatePages(size_t bytes);
void FreePages(void* data, size_t bytes);

}  // namespace cai
