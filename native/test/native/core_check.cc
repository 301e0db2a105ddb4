// Checks of the core that JavaScript can't reach; threads.test.ts compiles and runs it. Prints each failure, ends with
// their number.
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/philox.h"
#include "core/thread_pool.h"

namespace {

using cai::ThreadPool;

int failures = 0;

void Check(bool holds, const char* what) {
  if (holds) return;
  ++failures;
  std::printf("failed: %s\n", what);
}

// Every task once, whatever the number of tasks and threads.
void CheckTasks(const char* what) {
  for (int64_t count : {0, 1, 2, 3, 1000}) {
    std::vector<std::atomic<int>> runs(static_cast<size_t>(count));
    ThreadPool::Get().Run(count, [&](int64_t i) { ++runs[static_cast<size_t>(i)]; });
    for (const auto& run : runs) Check(run == 1, what);
  }
}

std::string CaughtFrom(int64_t count, int64_t thrower) {
  try {
    ThreadPool::Get().Run(count, [&](int64_t i) {
      if (i == thrower) throw cai::OpError(cai::ErrorCode::kMemory, "task " + std::to_string(i));
    });
  } catch (const cai::OpError& error) {
    return error.what();
  }
  return "";
}

void CheckExceptions() {
  for (int size : {1, 2, 5}) {
    ThreadPool::Get().Resize(size);
    for (int64_t thrower : {0, 1, 99}) {
      Check(CaughtFrom(100, thrower) == "task " + std::to_string(thrower), "an exception reaches the caller");
      CheckTasks("tasks run after an exception");
    }
    bool caught = false;
    try {
      ThreadPool::Get().Run(64, [](int64_t) { throw std::runtime_error("all of them"); });
    } catch (const std::runtime_error&) {
      caught = true;
    }
    Check(caught, "exceptions of all tasks reach the caller as one");
    CheckTasks("tasks run after many exceptions");
  }
}

void CheckNesting() {
  ThreadPool::Get().Resize(3);
  std::atomic<int64_t> sum{0};
  ThreadPool::Get().Run(8, [&](int64_t i) {
    ThreadPool::Get().Run(10, [&](int64_t j) { sum += 10 * i + j; });
  });
  Check(sum == 80 * 79 / 2, "a region inside a task runs all of its tasks");
}

// Regions from several threads at once, with the pool resized and shut down between them.
void CheckCallers() {
  std::vector<std::thread> callers;
  std::atomic<int64_t> sum{0};
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 200; ++round) {
        ThreadPool::Get().Run(7, [&](int64_t i) { sum += i; });
        if (round % 50 == caller) ThreadPool::Get().Resize(1 + (round + caller) % 4);
        if (round % 70 == caller) ThreadPool::Get().Shutdown();
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  Check(sum == 4 * 200 * 21, "regions of several callers run all of their tasks");
}

void CheckScratch() {
  char* data = static_cast<char*>(cai::ThreadScratch(cai::ScratchSlot::kKernel, 100));
  std::memset(data, 1, 100);
  Check(reinterpret_cast<uintptr_t>(data) % 64 == 0, "scratch memory is aligned");
  bool refused = false;
  try {
    cai::ThreadScratch(cai::ScratchSlot::kKernel, SIZE_MAX / 2);
  } catch (const cai::OpError& error) {
    refused = error.code() == cai::ErrorCode::kMemory;
  }
  Check(refused, "scratch memory beyond reason is an error of memory");
  std::memset(cai::ThreadScratch(cai::ScratchSlot::kKernel, 200), 2, 200);
}

// The known answers published with Random123.
void CheckPhilox() {
  struct Answer {
    cai::PhiloxBlock counter;
    uint64_t key;
    cai::PhiloxBlock result;
  };
  const Answer answers[] = {
      {{{0, 0, 0, 0}}, 0, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}},
      {{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}},
       0xffffffffffffffff,
       {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}},
      {{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
       0x299f31d0a4093822,
       {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}},
  };
  for (const Answer& answer : answers) {
    const cai::PhiloxBlock result = cai::Philox4x32(answer.key, answer.counter);
    Check(std::memcmp(&result, &answer.result, sizeof result) == 0, "Philox has its published answers");
  }
}

}  // namespace

int main() {
  CheckTasks("tasks run once");
  CheckExceptions();
  CheckNesting();
  CheckCallers();
  CheckScratch();
  CheckPhilox();
  return failures;
}
