// One pool for the process. A parallel region is a number of tasks; which thread runs a task is left open, so a kernel
// is bitwise repeatable when its tasks, and what each writes, depend on the pool's size alone. Each thread begins with the
// same share of the tasks in every region, and so with data that its caches may hold, then helps the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace cai {

constexpr int kMaxThreads = 256;

class ThreadPool {
 public:
  static ThreadPool& Get();

  // Threads that take part in a region, the calling one included.
  int size() const;
  // Takes effect before the next region. 1 <= size <= kMaxThreads.
  void Resize(int size);

  // Calls task(0) ... task(count - 1), each once, in any order and on any thread, and returns when all have ended. The
  // first exception thrown by a task is rethrown here. A region opened inside a task, or while another JavaScript
  // thread has one open, runs on the calling thread alone: the same tasks, the same bits.
  template <typename F>
  void Run(int64_t count, F&& task) {
    RunErased(count, [](void* context, int64_t index) { (*static_cast<std::remove_reference_t<F>*>(context))(index); },
              const_cast<void*>(static_cast<const void*>(&task)));
  }

  // Splits [0, n) into at most size() runs of at least `grain` items and calls body(begin, end, part) for each. `part`
  // is below size(): it picks a slot for partial results that the caller then adds up in order.
  template <typename F>
  void ParallelRange(int64_t n, int64_t grain, F&& body) {
    if (n <= 0) return;
    const int64_t most = (n + grain - 1) / grain;
    const int64_t parts = most < size() ? most : size();
    Run(parts, [&](int64_t part) { body(n * part / parts, n * (part + 1) / parts, static_cast<int>(part)); });
  }

  // Ends the threads; the next region starts them again. Called when the last JavaScript environment goes, because the
  // library may then be unmapped under them.
  void Shutdown();

 private:
  using Task = void (*)(void* context, int64_t index);
  ThreadPool();
  void RunErased(int64_t count, Task task, void* context);

  struct State;
  std::unique_ptr<State> state_;
};

// Scratch memory of the calling thread: at least `bytes`, aligned to 64, content undefined, kept for the next caller of
// the same slot on this thread. Throws OpError(kMemory). Slots: a kernel that calls another uses a different one.
enum class ScratchSlot { kPackA, kPackB, kPartialSums, kKernel, kAmxShared, kAmxOwn, kCount };
void* ThreadScratch(ScratchSlot slot, size_t bytes);

}  // namespace cai
