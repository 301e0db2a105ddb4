#include "communicator/courier.h"

#include <algorithm>
#include <cstdio>

namespace cai {
namespace {

// Open MPI sends up to 64 KiB over TCP at once. Of a longer message it first sends an announcement, whose answer waits
// behind the data that already fills the same connection: two ranks that send to each other then take turns, at about
// 0.6 of the link's rate.
constexpr size_t kMessageBytes = 60 * 1024;
// Messages of one transfer that are posted at a time: enough to keep a link busy while this thread sleeps.
constexpr int kWindow = 16;

}  // namespace

void Courier::Take(Group* group, OperationPtr operation, Clock::time_point now) {
  operation->progressed = now;
  group->queue.push_back(std::move(operation));
  if (group->queue.size() > 1) return;
  active_.push_back(group);
  fresh_.push_back(group);
}

bool Courier::Work(Clock::time_point now, std::vector<OperationPtr>* finished) {
  std::vector<Group*> ready;
  ready.swap(fresh_);
  bool moved = !ready.empty();
  if (!requests_.empty()) {
    const int count = static_cast<int>(requests_.size());
    int done_count = 0;
    done_.resize(count);
    const int error = mpi_.test(count, requests_.data(), &done_count, done_.data());
    if (error) Note(*messages_[0].flow, "MPI could not tell how messages fare");
    for (int i = 0; i < done_count; ++i) HandleDone(done_[i], now, &ready);
    if (done_count > 0) Compact(done_count);
    moved |= done_count > 0;
  }
  for (Group* group : ready) Advance(group, now, finished);
  return moved;
}

void Courier::HandleDone(const CaiMpiDone& done, Clock::time_point now, std::vector<Group*>* ready) {
  const Message& message = messages_[done.index];
  Flow* flow = message.flow;
  if (done.error) {
    char text[256];
    mpi_.error_text(done.error, text, sizeof text);
    Note(*flow, text);
  } else if (!flow->transfer.send && done.bytes != static_cast<int64_t>(message.bytes)) {
    Note(*flow, "it sent " + std::to_string(done.bytes) + " bytes where " + std::to_string(message.bytes) +
                    " were expected");
  }
  flow->operation->progressed = now;
  --flow->on_way;
  if (trouble_) return;
  Post(flow);
  if (flow->over() && --flow->operation->outstanding == 0) ready->push_back(flow->group);
}

// Drops the messages that are over and the transfers without any left.
void Courier::Compact(int done_count) {
  for (int i = 0; i < done_count; ++i) messages_[done_[i].index].flow = nullptr;
  size_t kept = 0;
  for (size_t i = 0; i < messages_.size(); ++i) {
    if (!messages_[i].flow) continue;
    messages_[kept] = messages_[i];
    requests_[kept++] = requests_[i];
  }
  messages_.resize(kept);
  requests_.resize(kept);
  const auto over = [](const std::unique_ptr<Flow>& flow) { return flow->over(); };
  flows_.erase(std::remove_if(flows_.begin(), flows_.end(), over), flows_.end());
}

void Courier::Advance(Group* group, Clock::time_point now, std::vector<OperationPtr>* finished) {
  while (!group->queue.empty() && !trouble_) {
    Operation* operation = group->queue.front().get();
    transfers_.clear();
    operation->progressed = now;
    if (!operation->Next(&transfers_)) {
      finished->push_back(std::move(group->queue.front()));
      group->queue.pop_front();
      continue;
    }
    operation->outstanding = transfers_.size();
    for (const Transfer& transfer : transfers_) {
      if (transfer.send) group->bytes_sent += transfer.bytes;
      flows_.push_back(std::make_unique<Flow>(Flow{group, operation, transfer}));
      Post(flows_.back().get());
    }
    if (!transfers_.empty()) return;
  }
  active_.erase(std::remove(active_.begin(), active_.end(), group), active_.end());
}

void Courier::Post(Flow* flow) {
  const Transfer& transfer = flow->transfer;
  const int peer = flow->group->members[transfer.peer];
  while (flow->on_way < kWindow && flow->posted < transfer.bytes && !trouble_) {
    const size_t bytes = std::min(kMessageBytes, transfer.bytes - flow->posted);
    uint64_t request = 0;
    char* data = transfer.data + flow->posted;
    const int length = static_cast<int>(bytes), tag = flow->group->id;
    const int error = transfer.send ? mpi_.send(kCaiMpiData, data, length, peer, tag, &request)
                                    : mpi_.receive(kCaiMpiData, data, length, peer, tag, &request);
    if (error) {
      char text[256];
      mpi_.error_text(error, text, sizeof text);
      return Note(*flow, text);
    }
    messages_.push_back({flow, bytes});
    requests_.push_back(request);
    flow->posted += bytes;
    ++flow->on_way;
  }
}

void Courier::Note(const Flow& flow, const std::string& text) {
  if (trouble_) return;
  const int peer = flow.group->members[flow.transfer.peer];
  trouble_ = Blame{peer, "exchanging data with " + pulse_->NameOf(peer) + " failed in operation " +
                             std::to_string(flow.operation->number) + " of communicator " +
                             std::to_string(flow.group->id) + ": " + text +
                             ". Either it died, or the ranks' calls differ in kind, order or size"};
}

std::optional<Blame> Courier::Trouble(Clock::time_point now) {
  int suspect = -1;
  for (const Group* group : active_) {
    if (trouble_) break;
    if (pulse_->AnyHasLeft()) trouble_ = FindDeserter(*group);
    const Clock::duration waited = now - group->queue.front()->progressed;
    if (!trouble_ && waited > timeout_ / 2) {
      std::optional<Blame> blame = Diagnose(*group, now);
      suspect = blame->rank;
      if (waited > timeout_) trouble_ = std::move(blame);
    }
  }
  pulse_->SetSuspect(suspect);
  return trouble_;
}

void Courier::Forgive(Clock::duration gap) {
  for (Group* group : active_) {
    for (const OperationPtr& operation : group->queue) operation->progressed += gap;
  }
}

std::optional<Blame> Courier::FindDeserter(const Group& group) const {
  for (const int rank : group.members) {
    if (!pulse_->HasLeft(rank) || pulse_->Posted(rank, group.id) >= group.queue.front()->number) continue;
    return Blame{rank, pulse_->NameOf(rank) + " ended without close() while others still needed it. See what it "
                                              "printed last, then start again"};
  }
  return std::nullopt;
}

std::optional<Blame> Courier::Diagnose(const Group& group, Clock::time_point now) const {
  const Operation& operation = *group.queue.front();
  char time[32];
  std::snprintf(time, sizeof time, "%.3g s", std::chrono::duration<double>(now - operation.progressed).count());
  const std::string waited = " (operation " + std::to_string(operation.number) + " of communicator " +
                             std::to_string(group.id) + ", for " + time + ")";
  for (size_t i = 0; i < group.members.size(); ++i) {
    int rank = group.members[i];
    if (static_cast<int>(i) == group.rank || pulse_->Posted(rank, group.id) >= operation.number) continue;
    // It may itself wait for another, in another communicator.
    for (size_t hops = 0; hops < group.members.size() && pulse_->Suspect(rank) >= 0; ++hops) {
      rank = pulse_->Suspect(rank);
    }
    return Blame{rank, pulse_->NameOf(rank) + " lives but has not come to an operation that others wait in" + waited +
                           ": its program hangs, or its calls differ from the others'"};
  }
  int rank = group.members[group.rank];
  for (const auto& flow : flows_) {
    if (flow->group == &group) rank = group.members[flow->transfer.peer];
  }
  return Blame{rank, "nothing has moved between this rank and " + pulse_->NameOf(rank) + waited +
                         ", though both live: the network between them, or MPI, has failed"};
}

}  // namespace cai
