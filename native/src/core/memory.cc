#include "core/memory.h"

#include <sys/mman.h>

#include <cstdint>
#include <string>

#include "core/error.h"

namespace cai {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

size_t Rounded(size_t bytes) { return (bytes + kHugePage - 1) / kHugePage * kHugePage; }

}  // namespace

void* AllocatePages(size_t bytes) {
  const size_t size = Rounded(bytes);
  // One huge page more than needed, so that an aligned run fits; the ends go back at once.
  char* start = static_cast<char*>(
      mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (start == MAP_FAILED) {
    throw OpError(ErrorCode::kMemory, "could not allocate " + std::to_string(bytes) +
                                          " bytes: use a smaller model, batch or sequence");
  }
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(start) % kHugePage) % kHugePage;
  if (before) munmap(start, before);
  munmap(start + before + size, kHugePage - before);
#if defined(MADV_HUGEPAGE)
  madvise(start + before, size, MADV_HUGEPAGE);
#endif
  return start + before;
}

void FreePages(void* data, size_t bytes) { munmap(data, Rounded(bytes)); }

}  // namespace cai
