// Answers requests "bytes threads calls" with the milliseconds of each memcpy of so many bytes, cut into one part a thread.
// Buffers lie on huge pages, as ours do.
#include <sys/mman.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr size_t kHugePage = size_t{1} << 21;

char* Allocate(size_t bytes) {
  const size_t rounded = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  char* memory = static_cast<char*>(std::aligned_alloc(kHugePage, rounded));
  if (!memory) std::exit(1);
  madvise(memory, rounded, MADV_HUGEPAGE);
  std::memset(memory, 1, rounded);
  return memory;
}

double CopyMs(char* to, const char* from, size_t bytes, int threads) {
  const auto start = std::chrono::steady_clock::now();
  const size_t part = bytes / static_cast<size_t>(threads) / 64 * 64;
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) {
    others.emplace_back([=] { std::memcpy(to + part * static_cast<size_t>(t), from + part * static_cast<size_t>(t), part); });
  }
  std::memcpy(to, from, part);
  for (std::thread& other : others) other.join();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main() {
  char *from = nullptr, *to = nullptr;
  size_t size = 0;
  std::printf("{\"compiler\":\"g++ %s\"}\n", __VERSION__);
  std::fflush(stdout);
  size_t bytes;
  int threads, calls;
  while (std::scanf(" {\"bytes\":%zu,\"threads\":%d,\"calls\":%d}", &bytes, &threads, &calls) == 3) {
    if (bytes != size) {
      std::free(from);
      std::free(to);
      from = Allocate(bytes);
      to = Allocate(bytes);
      size = bytes;
    }
    std::string list;
    for (int call = 0; call < calls; ++call) {
      list += (call ? "," : "") + std::to_string(CopyMs(to, from, bytes, threads));
    }
    std::printf("{\"milliseconds\":[%s]}\n", list.c_str());
    std::fflush(stdout);
  }
}
