// A collective operation as steps of messages between pairs. Sending point to point tells at any moment which rank is
// missing, which MPI's own collectives can't, and lets us fix the order of sums.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace cai {

using Clock = std::chrono::steady_clock;

// One message to or from a member; `peer` counts within the group.
struct Transfer {
  int peer;
  bool send;
  char* data;
  size_t bytes;
};

enum class OperationState { kRunning, kDone, kFailed };

class Operation {
 public:
  Operation(int rank, int size) : rank_(rank), size_(size) {}
  virtual ~Operation() = default;
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  // Computes what the messages so far allow and lists those of the next step; false when all is done.
  virtual bool Next(std::vector<Transfer>* transfers) = 0;

  std::atomic<OperationState> state{OperationState::kRunning};
  bool announce = false;  // somebody awaits it; the engine's mutex guards it

  // The engine's thread alone uses these.
  uint64_t number = 0;           // in its group, from 1
  size_t outstanding = 0;        // messages of this step that are not over
  Clock::time_point progressed;  // when it started or a message was last over

 protected:
  const int rank_, size_;
  int step_ = 0;
};

struct Bytes {
  char* data;
  size_t size;
};

// `send` and `receive` have `size` equal parts where there is one a rank; sizes are the callers' to check.
std::unique_ptr<Operation> MakeAllToAll(int rank, int size, Bytes send, Bytes receive);
std::unique_ptr<Operation> MakeAllGather(int rank, int size, Bytes send, Bytes receive);
std::unique_ptr<Operation> MakeReduceScatter(int rank, int size, Bytes send, Bytes receive);
std::unique_ptr<Operation> MakeAllReduce(int rank, int size, Bytes buffer);
std::unique_ptr<Operation> MakeBroadcast(int rank, int size, Bytes buffer, int root);
std::unique_ptr<Operation> MakeBarrier(int rank, int size);

}  // namespace cai
