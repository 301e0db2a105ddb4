#include "core/thread_pool.h"

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/error.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace cai {
namespace {

// Long enough to bridge the gap between two ops of a training step, short enough not to burn a shared core: on a
// virtual machine a waiter that never yields can starve the thread it waits for.
constexpr int kSpins = 4000;

inline void Pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

thread_local bool inside_region = false;

// The tasks that one thread takes first. Threads that are done help the others, but from one region to the next the same
// thread works on the same part of the data, which its caches may still hold.
struct alignas(64) Share {
  std::atomic<int64_t> next{0};
  int64_t end = 0;
};

}  // namespace

struct ThreadPool::State {
  std::atomic<int> size{1};
  std::mutex region;  // held by the thread whose region is open

  // The open region. Written before `epoch` grows, read by workers after they see it grow.
  Task task = nullptr;
  void* context = nullptr;
  int participants = 1;
  Share shares[kMaxThreads];
  std::atomic<int> busy{0};  // workers that have not yet finished with this epoch
  std::exception_ptr failure;
  std::mutex failure_mutex;

  std::atomic<uint64_t> epoch{0};
  std::atomic<bool> stopping{false};
  std::mutex park;
  std::condition_variable wake;  // a new epoch, or stopping
  std::condition_variable done;  // busy fell to 0
  std::vector<std::thread> workers;

  void Divide(int64_t count) {
    participants = static_cast<int>(workers.size()) + 1;
    for (int i = 0; i < participants; ++i) {
      shares[i].next.store(count * i / participants, std::memory_order_relaxed);
      shares[i].end = count * (i + 1) / participants;
    }
  }

  // Runs the tasks of participant `self`, then what is left of the others'.
  void Drain(int self) {
    inside_region = true;
    for (int i = 0; i < participants; ++i) {
      Share& share = shares[(self + i) % participants];
      for (int64_t task_index; (task_index = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;) {
        try {
          task(context, task_index);
        } catch (...) {
          std::lock_guard<std::mutex> lock(failure_mutex);
          if (!failure) failure = std::current_exception();
        }
      }
    }
    inside_region = false;
  }

  void WorkerLoop(int self, uint64_t seen) {
    for (;;) {
      for (int spin = 0; spin < kSpins && epoch.load(std::memory_order_acquire) == seen; ++spin) Pause();
      if (epoch.load(std::memory_order_acquire) == seen) {
        std::unique_lock<std::mutex> lock(park);
        wake.wait(lock, [&] { return epoch.load(std::memory_order_acquire) != seen; });
      }
      seen = epoch.load(std::memory_order_acquire);
      if (stopping.load(std::memory_order_acquire)) return;
      Drain(self);
      if (busy.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        std::lock_guard<std::mutex> lock(park);
        done.notify_one();
      }
    }
  }

  void Announce() {
    {
      std::lock_guard<std::mutex> lock(park);
      epoch.fetch_add(1, std::memory_order_release);
    }
    wake.notify_all();
  }

  void StartWorkers(int wanted) {
    if (static_cast<int>(workers.size()) == wanted) return;
    StopWorkers();
    const uint64_t seen = epoch.load();
    try {
      while (static_cast<int>(workers.size()) < wanted) {
        const int self = static_cast<int>(workers.size()) + 1;
        workers.emplace_back([this, self, seen] { WorkerLoop(self, seen); });
      }
    } catch (const std::exception& error) {
      StopWorkers();
      throw OpError(ErrorCode::kMemory, std::string("could not start ") + std::to_string(wanted) +
                                            " worker threads (" + error.what() + "): set fewer threads");
    }
  }

  void StopWorkers() {
    if (workers.empty()) return;
    stopping.store(true);
    Announce();
    for (auto& worker : workers) worker.join();
    workers.clear();
    stopping.store(false);
  }

  void WaitForWorkers() {
    for (int spin = 0; spin < kSpins && busy.load(std::memory_order_acquire) != 0; ++spin) Pause();
    if (busy.load(std::memory_order_acquire) == 0) return;
    std::unique_lock<std::mutex> lock(park);
    done.wait(lock, [&] { return busy.load(std::memory_order_acquire) == 0; });
  }
};

// Never destroyed: JavaScript threads may still be inside a region while the process runs its exit handlers.
ThreadPool& ThreadPool::Get() {
  static ThreadPool* pool = new ThreadPool();
  return *pool;
}

ThreadPool::ThreadPool() : state_(new State()) {
  const unsigned cores = std::thread::hardware_concurrency();
  state_->size.store(cores == 0 ? 1 : static_cast<int>(cores < kMaxThreads ? cores : kMaxThreads));
}

int ThreadPool::size() const { return state_->size.load(std::memory_order_relaxed); }

void ThreadPool::Resize(int size) {
  std::lock_guard<std::mutex> lock(state_->region);
  state_->size.store(size);
  state_->StopWorkers();
}

void ThreadPool::Shutdown() {
  std::lock_guard<std::mutex> lock(state_->region);
  state_->StopWorkers();
}

void ThreadPool::RunErased(int64_t count, Task task, void* context) {
  State& s = *state_;
  const bool alone = count <= 1 || s.size.load() == 1 || inside_region;
  std::unique_lock<std::mutex> lock(s.region, std::defer_lock);
  if (alone || !lock.try_lock()) {
    for (int64_t i = 0; i < count; ++i) task(context, i);
    return;
  }
  s.StartWorkers(s.size.load() - 1);
  s.task = task;
  s.context = context;
  s.failure = nullptr;
  s.Divide(count);
  s.busy.store(static_cast<int>(s.workers.size()), std::memory_order_release);
  s.Announce();
  s.Drain(0);
  s.WaitForWorkers();
  if (s.failure) {
    const std::exception_ptr failure = s.failure;
    s.failure = nullptr;
    std::rethrow_exception(failure);
  }
}

namespace {

struct Scratch {
  void* data = nullptr;
  size_t bytes = 0;
  ~Scratch() { std::free(data); }
};

}  // namespace

void* ThreadScratch(ScratchSlot slot, size_t bytes) {
  thread_local Scratch slots[static_cast<size_t>(ScratchSlot::kCount)];
  Scratch& scratch = slots[static_cast<size_t>(slot)];
  if (scratch.bytes < bytes) {
    std::free(scratch.data);
    const size_t rounded = (bytes + 4095) / 4096 * 4096;
    scratch.data = std::aligned_alloc(64, rounded);
    scratch.bytes = scratch.data ? rounded : 0;
    if (!scratch.data) {
      throw OpError(ErrorCode::kMemory, "could not allocate " + std::to_string(rounded) + " bytes of scratch memory");
    }
  }
  return scratch.data;
}

}  // namespace cai
