#include "communicator/engine.h"

#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"

namespace cai {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// After anything moved the thread looks again at once for a while, then ever less often.
constexpr auto kEager = microseconds(50);
constexpr auto kShortestPause = microseconds(20);
constexpr auto kLongestPause = microseconds(1000);
constexpr auto kLongestIdlePause = milliseconds(10);
// A turn that took longer means that this process stood still (stopped, or starved of a processor).
constexpr auto kStandstill = milliseconds(100);
// How long the thread may seem stuck while this process runs.
constexpr auto kDoubt = milliseconds(1000);
// For last messages to go out, when nobody waits for them.
constexpr auto kFarewell = milliseconds(250);
constexpr auto kSettling = milliseconds(200);

struct Introduction {
  int protocol;
  char host[60];
};
constexpr int kProtocol = 1;

}  // namespace

Engine::Engine(const CaiMpiTable& mpi, Clock::duration beat, Clock::duration timeout, std::function<void()> on_done)
    : mpi_(mpi), beat_(beat), timeout_(timeout), on_done_(std::move(on_done)), thread_([this] { Run(); }) {}

// ---- Other threads ----

void Engine::CheckUsable() {
  if (state_ == State::kFailed) throw OpError(ErrorCode::kComm, failure_);
  if (state_ == State::kClosed || close_wanted_) {
    throw OpError(ErrorCode::kComm, "MPI has been closed, and can't be started twice in one process");
  }
}

bool Engine::AwaitStart(Clock::duration slice) {
  auto lock = Lock();
  news_.wait_for(lock, slice, [this] { return state_ != State::kStarting; });
  CheckUsable();
  return state_ == State::kRunning;
}

void Engine::AddGroup(int id, std::vector<int> members) {
  if (id > most_tag_) {
    throw OpError(ErrorCode::kComm, "this MPI tells " + std::to_string(most_tag_) +
                                        " communicators apart, and more were made: keep them for longer");
  }
  const auto own = std::find(members.begin(), members.end(), world_.rank);
  const int rank = static_cast<int>(own - members.begin());
  auto lock = Lock();
  CheckUsable();
  groups_[id] = std::make_unique<Group>(id, std::move(members), rank);
}

Group& Engine::group(int id) {
  auto lock = Lock();
  const auto found = groups_.find(id);
  if (found == groups_.end()) throw OpError(ErrorCode::kArgument, "there is no communicator " + std::to_string(id));
  return *found->second;
}

void Engine::Post(Group* group, OperationPtr operation) {
  auto lock = Lock();
  CheckUsable();
  operation->number = ++group->posted;
  arrivals_.push_back({group, std::move(operation)});
  work_.notify_one();
}

bool Engine::IsDone(const Operation& operation) {
  const OperationState state = operation.state.load(std::memory_order_acquire);
  if (state == OperationState::kRunning) CheckAlive();
  if (state != OperationState::kFailed) return state == OperationState::kDone;
  auto lock = Lock();
  throw OpError(ErrorCode::kComm, failure_);
}

// A thread that hangs inside MPI can't tell anybody. This process may only have stood still, so it gets another chance.
void Engine::CheckAlive() {
  const auto now = Clock::now(), turned = turned_.load();
  if (turned > now - timeout_) {
    doubted_ = Clock::time_point();
  } else if (doubted_.load() == Clock::time_point()) {
    doubted_ = now;
  } else if (now - doubted_.load() > kDoubt) {
    throw OpError(ErrorCode::kComm, pulse_->NameOf(world_.rank) +
                                        " hangs: MPI has not come back from a call. Start again, and see what MPI printed");
  }
}

bool Engine::Await(const Operation& operation, Clock::duration slice) {
  {
    auto lock = Lock();
    news_.wait_for(lock, slice, [&] { return operation.state.load() != OperationState::kRunning; });
  }
  return IsDone(operation);
}

bool Engine::Announce(Operation* operation) {
  auto lock = Lock();
  operation->announce = operation->state == OperationState::kRunning;
  return operation->announce;
}

bool Engine::HasFailed() {
  auto lock = Lock();
  return state_ == State::kFailed;
}

void Engine::BeginClose() {
  auto lock = Lock();
  CheckUsable();
  close_wanted_ = true;
  work_.notify_one();
}

Closing Engine::AwaitClose(Clock::duration slice) {
  auto lock = Lock();
  news_.wait_for(lock, slice, [this] { return ended_; });
  if (state_ == State::kFailed) throw OpError(ErrorCode::kComm, failure_);
  if (!ended_) return parted_ ? Closing::kParted : Closing::kOpen;
  lock.unlock();
  if (thread_.joinable()) thread_.join();
  return Closing::kEnded;
}

bool Engine::Leave() {
  auto lock = Lock();
  leave_wanted_ = true;
  work_.notify_one();
  const auto patience = parted_ ? Clock::duration::zero() : kFarewell * 8;
  const bool ended = news_.wait_for(lock, patience, [this] { return ended_; });
  // Operations are over once the ranks have parted: nothing of MPI's touches their buffers.
  const bool released = ended || parted_;
  lock.unlock();
  if (!thread_.joinable()) return true;
  if (ended) {
    thread_.join();
  } else {
    thread_.detach();
  }
  return released;
}

// ---- The thread ----

void Engine::Run() {
  try {
    StartMpi();
    Loop();
  } catch (const OpError& error) {
    SetFailed(error.what());
  } catch (const std::exception& error) {
    SetFailed(std::string("this rank ran out of memory or failed otherwise: ") + error.what());
  }
  auto lock = Lock();
  ended_ = true;
  news_.notify_all();
}

void Engine::StartMpi() {
  const auto check = [this](int error, const char* what) {
    if (!error) return;
    char text[256];
    mpi_.error_text(error, text, sizeof text);
    throw OpError(ErrorCode::kComm, std::string("MPI could not ") + what + ": " + text);
  };
  int size = 0;
  check(mpi_.start(&world_.rank, &size, &most_tag_), "start");
  Introduction mine = {kProtocol, ""};
  gethostname(mine.host, sizeof mine.host - 1);
  std::vector<Introduction> all(size);
  check(mpi_.gather(&mine, sizeof mine, all.data()), "exchange the names of machines");
  std::vector<int> local(size);
  check(mpi_.find_local(local.data()), "tell which ranks are on this machine");
  std::vector<int> everyone(size);
  for (int rank = 0; rank < size; ++rank) {
    if (all[rank].protocol != kProtocol) {
      throw OpError(ErrorCode::kComm, "rank " + std::to_string(rank) + " runs another version of @cai/native than rank " +
                                          std::to_string(world_.rank) + ": install the same on all machines");
    }
    all[rank].host[sizeof mine.host - 1] = 0;
    world_.hosts.emplace_back(all[rank].host);
    if (local[rank]) world_.local.push_back(rank);
    everyone[rank] = rank;
  }
  pulse_ = std::make_unique<Pulse>(mpi_, world_.rank, world_.hosts, beat_, timeout_);
  courier_ = std::make_unique<Courier>(mpi_, pulse_.get(), timeout_);
  auto lock = Lock();
  groups_[0] = std::make_unique<Group>(0, std::move(everyone), world_.rank);
  state_ = State::kRunning;
  news_.notify_all();
}

void Engine::Loop() {
  // Linux rounds a thread's sleeps up by 50 µs otherwise.
  prctl(PR_SET_TIMERSLACK, 1000UL);
  turned_ = moved_ = Clock::now();
  for (;;) {
    const auto now = Clock::now();
    ForgiveGap(now);
    bool close = false;
    {
      auto lock = Lock();
      if (leave_wanted_) break;
      close = close_wanted_ && arrivals_.empty();
    }
    bool moved = TakeArrivals(now);
    moved |= courier_->Work(now, &finished_);
    moved |= pulse_->Work(now);
    Publish();
    // What another rank has given up for goes first: all name the same one.
    auto blame = pulse_->Trouble(now);
    if (!blame) blame = courier_->Trouble(now);
    if (blame) return TellAndFail(*blame);
    if (close && courier_->idle()) return Close();
    Sleep(moved);
  }
  pulse_->SendLeft();
  Linger(kFarewell);
  SetFailed("this rank's JavaScript environment ended without close()");
}

bool Engine::TakeArrivals(Clock::time_point now) {
  std::vector<Arrival> arrivals;
  {
    auto lock = Lock();
    arrivals.swap(arrivals_);
  }
  for (Arrival& arrival : arrivals) {
    pulse_->SetPosted(arrival.group->id, arrival.operation->number);
    courier_->Take(arrival.group, std::move(arrival.operation), now);
  }
  return !arrivals.empty();
}

// Time in which this process did not run says nothing about the others.
void Engine::ForgiveGap(Clock::time_point now) {
  const auto gap = now - turned_.load();
  turned_ = now;
  if (gap < kStandstill) return;
  pulse_->Forgive(gap, now);
  courier_->Forgive(gap);
}

void Engine::Publish() {
  if (finished_.empty()) return;
  bool announce = false;
  {
    auto lock = Lock();
    for (const OperationPtr& operation : finished_) {
      operation->state.store(OperationState::kDone, std::memory_order_release);
      announce |= operation->announce;
    }
    news_.notify_all();
  }
  finished_.clear();
  if (announce) on_done_();
}

void Engine::Sleep(bool moved) {
  const auto now = Clock::now();
  if (moved) {
    moved_ = now;
    pause_ = kShortestPause;
    return;
  }
  if (now - moved_ < kEager) {
    sched_yield();
    return;
  }
  auto lock = Lock();
  if (!arrivals_.empty() || leave_wanted_) return;
  work_.wait_for(lock, pause_);
  const Clock::duration most = courier_->idle() ? Clock::duration(kLongestIdlePause) : Clock::duration(kLongestPause);
  pause_ = std::min(pause_ * 9 / 8, std::min(most, beat_));
}

// Every rank's last message says that no heartbeat follows; with all of them here, none is left on its way.
void Engine::Close() {
  pulse_->SendLast();
  const auto start = Clock::now();
  while (!(pulse_->AllLast() && pulse_->Quiet())) {
    const auto now = Clock::now();
    ForgiveGap(now);
    pulse_->Work(now);
    if (const auto blame = pulse_->Trouble(now)) return TellAndFail(*blame);
    if (now - start > timeout_) throw OpError(ErrorCode::kComm, "the ranks did not all close in time");
    std::this_thread::sleep_for(kShortestPause);
  }
  // Connections that are still being made need both ends, but a rank inside MPI_Finalize may look after none: over TCP
  // MPICH then never comes back.
  for (const auto end = Clock::now() + kSettling; Clock::now() < end; std::this_thread::sleep_for(kShortestPause)) {
    pulse_->Work(Clock::now());
  }
  {
    auto lock = Lock();
    parted_ = true;
  }
  const int error = mpi_.finish();
  auto lock = Lock();
  state_ = error ? State::kFailed : State::kClosed;
  if (error) failure_ = "MPI could not finish";
}

void Engine::TellAndFail(const Blame& blame) {
  pulse_->SendGiveUp(blame);
  Linger(kFarewell);
  SetFailed(blame.text);
}

void Engine::Linger(Clock::duration most) {
  const auto end = Clock::now() + most;
  while (!pulse_->Quiet() && Clock::now() < end) {
    pulse_->Work(Clock::now());
    std::this_thread::sleep_for(kShortestPause);
  }
}

void Engine::SetFailed(const std::string& text) {
  bool announce = false;
  {
    auto lock = Lock();
    state_ = State::kFailed;
    failure_ = text;
    const auto fail = [&](const OperationPtr& operation) {
      operation->state.store(OperationState::kFailed, std::memory_order_release);
      announce |= operation->announce;
    };
    for (const OperationPtr& operation : finished_) fail(operation);
    for (const Arrival& arrival : arrivals_) fail(arrival.operation);
    for (const auto& [id, group] : groups_) {
      for (const OperationPtr& operation : group->queue) fail(operation);
    }
    news_.notify_all();
  }
  if (announce) on_done_();
}

}  // namespace cai
