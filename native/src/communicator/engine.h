// The one thread that makes all calls of MPI, and what other threads may ask of it.
//
// It sleeps when nothing is to be done and never sits in a blocking call of MPI after the start, so ranks that share a
// processor don't starve each other. After a failure it tells the other ranks, makes no further call of MPI (so no buffer
// is written to any more), marks all operations failed and ends.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "communicator/courier.h"
#include "communicator/mpi_interface.h"
#include "communicator/pulse.h"

namespace cai {

struct World {
  int rank = 0;
  std::vector<std::string> hosts;  // by rank
  std::vector<int> local;          // the ranks of this machine, rising
};

// kParted: no rank needs another any more, but MPI has not ended.
enum class Closing { kOpen, kParted, kEnded };

class Engine {
 public:
  // Starts the thread, which starts MPI. `on_done` is called on it when an announced operation is over.
  Engine(const CaiMpiTable& mpi, Clock::duration beat, Clock::duration timeout, std::function<void()> on_done);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // These throw OpError(kComm) once everything has failed or is closed.

  // Waits up to `slice`; true when MPI has started.
  bool AwaitStart(Clock::duration slice);
  const World& world() const { return world_; }
  // Throws OpError(kComm) when `id` is beyond what MPI can tell apart.
  void AddGroup(int id, std::vector<int> members);
  Group& group(int id);
  void Post(Group* group, OperationPtr operation);
  // Waits up to `slice`; true when the operation is over.
  bool Await(const Operation& operation, Clock::duration slice);
  bool IsDone(const Operation& operation);
  // Asks for `on_done` when it is over; false when it already is.
  bool Announce(Operation* operation);
  bool HasFailed();
  // Asks for the end of MPI; all ranks must. Then waits for it up to `slice`.
  void BeginClose();
  Closing AwaitClose(Clock::duration slice);

  // Tells the others that this rank leaves without their consent, and ends the thread: from here on no buffer is touched.
  // False when the thread hangs inside MPI, where nobody can reach it.
  bool Leave();

 private:
  enum class State { kStarting, kRunning, kClosed, kFailed };
  struct Arrival {
    Group* group;
    OperationPtr operation;
  };

  void Run();
  void StartMpi();
  void Loop();
  bool TakeArrivals(Clock::time_point now);
  void ForgiveGap(Clock::time_point now);
  void Publish();
  void Sleep(bool moved);
  void Close();
  void TellAndFail(const Blame& blame);
  void Linger(Clock::duration most);
  void SetFailed(const std::string& text);
  void CheckUsable();
  void CheckAlive();
  std::unique_lock<std::mutex> Lock() { return std::unique_lock<std::mutex>(mutex_); }

  const CaiMpiTable& mpi_;
  const Clock::duration beat_, timeout_;
  const std::function<void()> on_done_;
  World world_;
  int most_tag_ = 0;

  // Shared, under the mutex.
  std::mutex mutex_;
  std::condition_variable work_, news_;
  State state_ = State::kStarting;
  std::string failure_;
  bool close_wanted_ = false, parted_ = false, leave_wanted_ = false, ended_ = false;
  std::map<int, std::unique_ptr<Group>> groups_;
  std::vector<Arrival> arrivals_;

  // The thread's own.
  std::unique_ptr<Pulse> pulse_;
  std::unique_ptr<Courier> courier_;
  std::vector<OperationPtr> finished_;
  Clock::duration pause_{};
  Clock::time_point moved_;
  std::atomic<Clock::time_point> turned_{Clock::time_point::max()};  // others read it
  std::atomic<Clock::time_point> doubted_{Clock::time_point()};      // theirs: since when it seems stuck

  std::thread thread_;
};

}  // namespace cai
