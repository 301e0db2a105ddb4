#include "communicator/pulse.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace cai {
namespace {

constexpr int kTag = 0;

enum Kind : uint32_t { kBeat = 1, kGiveUp, kLast };

void PutLong(std::vector<uint32_t>* words, uint64_t value) {
  words->push_back(static_cast<uint32_t>(value));
  words->push_back(static_cast<uint32_t>(value >> 32));
}

// Reads words to the end of a message; what is missing reads as 0.
class Reader {
 public:
  explicit Reader(const std::vector<uint32_t>& words, size_t at) : words_(words), at_(at) {}
  bool more() const { return at_ < words_.size(); }
  uint32_t Word() { return more() ? words_[at_++] : 0; }
  uint64_t Long() {
    const uint64_t low = Word();
    return low | static_cast<uint64_t>(Word()) << 32;
  }

 private:
  const std::vector<uint32_t>& words_;
  size_t at_;
};

std::string Seconds(Clock::duration time) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g s", std::chrono::duration<double>(time).count());
  return text;
}

}  // namespace

Pulse::Pulse(const CaiMpiTable& mpi, int rank, std::vector<std::string> hosts, Clock::duration beat,
             Clock::duration timeout)
    : mpi_(mpi),
      rank_(rank),
      hosts_(std::move(hosts)),
      beat_(beat),
      timeout_(timeout),
      next_beat_(Clock::now()),
      rows_(hosts_.size()) {
  const int size = static_cast<int>(hosts_.size());
  for (Row& row : rows_) row.heard = next_beat_;
  for (int64_t distance = 1; distance < size; distance = size <= kMostDirect ? distance + 1 : distance * 2) {
    neighbours_.push_back(static_cast<int>((rank + distance) % size));
  }
  senders_ = static_cast<int>(neighbours_.size());
}

std::string Pulse::NameOf(int rank) const { return "rank " + std::to_string(rank) + " on " + hosts_[rank]; }

uint64_t Pulse::Posted(int rank, int group) const {
  const auto found = rows_[rank].posted.find(group);
  return found == rows_[rank].posted.end() ? 0 : found->second;
}

void Pulse::Forgive(Clock::duration gap, Clock::time_point now) {
  for (Row& row : rows_) row.heard += gap;
  if (gap < timeout_) return;
  standstill_ = gap;
  awoken_ = now;
}

std::optional<Blame> Pulse::Trouble(Clock::time_point now) const {
  if (trouble_) return trouble_;
  int worst = -1;
  for (int rank = 0; rank < static_cast<int>(rows_.size()); ++rank) {
    const Row& row = rows_[rank];
    if (rank == rank_ || row.left || now - row.heard <= timeout_) continue;
    if (worst < 0 || row.heard < rows_[worst].heard) worst = rank;
  }
  if (worst < 0) return std::nullopt;
  // Beats from before may be read a moment later.
  if (standstill_ > Clock::duration::zero() && rows_[worst].heard < awoken_ + timeout_ / 4) {
    return Blame{rank_, NameOf(rank_) + " stood still for " + Seconds(standstill_) +
                            ", and " + NameOf(worst) + " has not been heard from since: it has given this rank up"};
  }
  return Blame{worst, NameOf(worst) + " has not been heard from for " + Seconds(now - rows_[worst].heard) +
                          ": it died or hangs. See what it printed last, then start again"};
}

bool Pulse::Work(Clock::time_point now) {
  if (now >= next_beat_ && !last_sent_) {
    next_beat_ = now + beat_;
    SendToAll(MakeBeat(), true);
  }
  const bool came = TakeArrivals();
  return TestMessages(now) || came;
}

Pulse::Words Pulse::MakeBeat() {
  ++rows_[rank_].beat;
  Words words = {kBeat};
  for (size_t rank = 0; rank < rows_.size(); ++rank) {
    const Row& row = rows_[rank];
    words.push_back(static_cast<uint32_t>(rank));
    PutLong(&words, row.beat);
    words.push_back(row.left);
    words.push_back(static_cast<uint32_t>(row.suspect));
    words.push_back(static_cast<uint32_t>(row.posted.size()));
    for (const auto& [group, count] : row.posted) {
      words.push_back(static_cast<uint32_t>(group));
      PutLong(&words, count);
    }
  }
  return words;
}

void Pulse::SendToAll(const Words& words, bool skip_busy) {
  for (const int peer : neighbours_) {
    bool busy = false;
    for (const auto& message : messages_) busy |= message->peer == peer && !message->incoming;
    if (busy && skip_busy) continue;
    auto message = std::make_unique<Message>(Message{peer, false, words});
    uint64_t request = 0;
    const int error = mpi_.send(kCaiMpiPulse, message->words.data(),
                                static_cast<int>(words.size() * sizeof(uint32_t)), peer, kTag, &request);
    if (error) {
      Note(peer, "a heartbeat could not be sent to ", error);
      continue;
    }
    messages_.push_back(std::move(message));
    requests_.push_back(request);
  }
}

void Pulse::SendGiveUp(const Blame& blame) {
  Words words = {kGiveUp, static_cast<uint32_t>(blame.rank), static_cast<uint32_t>(blame.text.size())};
  const size_t start = words.size();
  words.resize(start + (blame.text.size() + 3) / 4);
  std::memcpy(words.data() + start, blame.text.data(), blame.text.size());
  SendToAll(words, false);
}

void Pulse::SendLeft() {
  rows_[rank_].left = true;
  SendToAll(MakeBeat(), false);
}

void Pulse::SendLast() {
  last_sent_ = true;
  SendToAll({kLast}, false);
}

bool Pulse::TakeArrivals() {
  for (bool any = false;; any = true) {
    int found = 0, peer = 0, bytes = 0;
    const int error = mpi_.probe(kCaiMpiPulse, kTag, &found, &peer, &bytes);
    if (error) Note(rank_, "MPI could not look for heartbeats of the others, says ", error);
    if (error || !found) return any;
    auto message = std::make_unique<Message>(Message{peer, true, Words((bytes + 3) / 4)});
    uint64_t request = 0;
    const int failed = mpi_.receive(kCaiMpiPulse, message->words.data(), bytes, peer, kTag, &request);
    if (failed) {
      Note(peer, "a heartbeat could not be received from ", failed);
      return any;
    }
    messages_.push_back(std::move(message));
    requests_.push_back(request);
  }
}

bool Pulse::TestMessages(Clock::time_point now) {
  if (messages_.empty()) return false;
  const int count = static_cast<int>(requests_.size());
  int done_count = 0;
  done_.resize(count);
  const int error = mpi_.test(count, requests_.data(), &done_count, done_.data());
  if (error) Note(rank_, "MPI could not tell how heartbeats fare, says ", error);
  bool came = false;
  for (int i = 0; i < done_count; ++i) {
    const Message& message = *messages_[done_[i].index];
    came |= message.incoming;
    if (done_[i].error) {
      Note(message.peer, "a heartbeat failed between this rank and ", done_[i].error);
    } else if (message.incoming) {
      Take(message, now);
    }
  }
  std::vector<bool> over(count, false);
  for (int i = 0; i < done_count; ++i) over[done_[i].index] = true;
  size_t kept = 0;
  for (int i = 0; i < count; ++i) {
    if (over[i]) continue;
    requests_[kept] = requests_[i];
    messages_[kept++] = std::move(messages_[i]);
  }
  requests_.resize(kept);
  messages_.resize(kept);
  return came;
}

void Pulse::Note(int peer, const char* what, int error) {
  if (trouble_) return;
  char text[256];
  mpi_.error_text(error, text, sizeof text);
  trouble_ = Blame{peer, what + NameOf(peer) + ": " + text};
}

void Pulse::Take(const Message& message, Clock::time_point now) {
  const Words& words = message.words;
  const uint32_t kind = words.empty() ? 0 : words[0];
  if (kind == kBeat) TakeBeat(words, now);
  if (kind == kLast) ++lasts_;
  if (kind != kGiveUp || trouble_ || words.size() < 3) return;
  const size_t length = std::min<size_t>(words[2], (words.size() - 3) * sizeof(uint32_t));
  trouble_ = Blame{static_cast<int>(words[1]),
                   std::string(reinterpret_cast<const char*>(words.data() + 3), length)};
}

void Pulse::TakeBeat(const Words& words, Clock::time_point now) {
  Reader reader(words, 1);
  while (reader.more()) {
    const uint32_t rank = reader.Word();
    Row news;
    news.beat = reader.Long();
    news.left = reader.Word() != 0;
    news.suspect = static_cast<int>(reader.Word());
    for (uint32_t groups = reader.Word(); groups > 0 && reader.more(); --groups) {
      const int group = static_cast<int>(reader.Word());
      news.posted[group] = reader.Long();
    }
    if (rank >= rows_.size() || static_cast<int>(rank) == rank_ || news.beat <= rows_[rank].beat) continue;
    news.heard = now;
    any_left_ |= news.left;
    rows_[rank] = std::move(news);
  }
}

}  // namespace cai
