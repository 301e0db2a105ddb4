// Runs operations: posts their messages, learns when those are over, takes each operation from step to step. The engine's
// thread alone uses it.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "communicator/mpi_interface.h"
#include "communicator/operation.h"
#include "communicator/pulse.h"

namespace cai {

using OperationPtr = std::shared_ptr<Operation>;

// The ranks of one communicator. Its number is the tag of its messages: any two groups that share two ranks differ.
struct Group {
  Group(int id, std::vector<int> members, int rank) : id(id), members(std::move(members)), rank(rank) {}
  const int id;
  const std::vector<int> members;  // ranks of the world
  const int rank;                  // this one's place among them
  uint64_t posted = 0;             // operations so far; the engine's mutex guards it
  std::atomic<uint64_t> bytes_sent{0};
  std::deque<OperationPtr> queue;  // the courier's: the first one runs, the others wait for it
};

class Courier {
 public:
  Courier(const CaiMpiTable& mpi, Pulse* pulse, Clock::duration timeout) : mpi_(mpi), pulse_(pulse), timeout_(timeout) {}

  void Take(Group* group, OperationPtr operation, Clock::time_point now);
  // True when anything moved. Operations that are over are appended to `finished`.
  bool Work(Clock::time_point now, std::vector<OperationPtr>* finished);
  bool idle() const { return active_.empty(); }
  // What went wrong: an error of MPI, ranks whose calls differ, or one that others have waited for too long.
  std::optional<Blame> Trouble(Clock::time_point now);
  void Forgive(Clock::duration gap);

 private:
  // One transfer on its way, as messages of at most kMessageBytes.
  struct Flow {
    Group* group;
    Operation* operation;
    Transfer transfer;
    size_t posted = 0;  // bytes
    int on_way = 0;     // messages
    bool over() const { return on_way == 0 && posted == transfer.bytes; }
  };
  struct Message {
    Flow* flow;
    size_t bytes;
  };

  // Takes the first operation of `group` on, and those behind it, until one has to wait for messages.
  void Advance(Group* group, Clock::time_point now, std::vector<OperationPtr>* finished);
  void Post(Flow* flow);
  void HandleDone(const CaiMpiDone& done, Clock::time_point now, std::vector<Group*>* ready);
  void Compact(int done_count);
  std::optional<Blame> Diagnose(const Group& group, Clock::time_point now) const;
  std::optional<Blame> FindDeserter(const Group& group) const;
  void Note(const Flow& flow, const std::string& text);

  const CaiMpiTable& mpi_;
  Pulse* const pulse_;
  const Clock::duration timeout_;
  std::vector<Group*> active_;  // with operations in their queues
  std::vector<std::unique_ptr<Flow>> flows_;
  std::vector<Message> messages_;   // on their way, with
  std::vector<uint64_t> requests_;  // theirs
  std::vector<CaiMpiDone> done_;
  std::vector<Transfer> transfers_;
  std::vector<Group*> fresh_;  // whose first operation has yet to begin
  std::optional<Blame> trouble_;
};

}  // namespace cai
