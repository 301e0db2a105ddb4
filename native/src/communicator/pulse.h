// Heartbeats: who lives, who has started which operations, who has left or given up. Every rank tells its neighbours all it
// knows of every rank, so that news spreads; up to kMostDirect ranks all are neighbours, beyond that those at distances
// 1, 2, 4 ..., and news takes log2(size) beats.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "communicator/mpi_interface.h"
#include "communicator/operation.h"

namespace cai {

// Why everything ends, and through whom (a rank of the whole world).
struct Blame {
  int rank;
  std::string text;
};

constexpr int kMostDirect = 64;

class Pulse {
 public:
  Pulse(const CaiMpiTable& mpi, int rank, std::vector<std::string> hosts, Clock::duration beat, Clock::duration timeout);

  // Sends a beat if one is due, takes in what came. True when anything came.
  bool Work(Clock::time_point now);
  // This process stood still for so long before `now`, which says nothing about the others.
  void Forgive(Clock::duration gap, Clock::time_point now);
  // A rank that has not been heard from for too long, what another rank has given up for, or an error of MPI.
  std::optional<Blame> Trouble(Clock::time_point now) const;

  // Of this rank, told to all: how many operations of a group it has started, and whom it waits for (-1: nobody).
  void SetPosted(int group, uint64_t count) { rows_[rank_].posted[group] = count; }
  void SetSuspect(int rank) { rows_[rank_].suspect = rank; }
  uint64_t Posted(int rank, int group) const;
  int Suspect(int rank) const { return rows_[rank].suspect; }
  bool HasLeft(int rank) const { return rows_[rank].left; }
  bool AnyHasLeft() const { return any_left_; }

  // One message to all neighbours, at once.
  void SendGiveUp(const Blame& blame);
  void SendLeft();
  void SendLast();
  // Whether every neighbour that sends to this rank has sent its last message.
  bool AllLast() const { return lasts_ == senders_; }
  // Whether all messages sent have gone out.
  bool Quiet() const { return messages_.empty(); }

  std::string NameOf(int rank) const;  // "rank 3 on HOST"

 private:
  struct Row {
    uint64_t beat = 0;
    Clock::time_point heard;
    bool left = false;
    int suspect = -1;
    std::map<int, uint64_t> posted;
  };
  struct Message {
    int peer;
    bool incoming;
    std::vector<uint32_t> words;
  };
  using Words = std::vector<uint32_t>;

  Words MakeBeat();
  void SendToAll(const Words& words, bool skip_busy);
  void Take(const Message& message, Clock::time_point now);
  void TakeBeat(const Words& words, Clock::time_point now);
  void Note(int peer, const char* what, int error);
  bool TakeArrivals();
  bool TestMessages(Clock::time_point now);

  const CaiMpiTable& mpi_;
  const int rank_;
  const std::vector<std::string> hosts_;
  const Clock::duration beat_, timeout_;
  Clock::time_point next_beat_;
  std::vector<Row> rows_;
  std::vector<int> neighbours_;
  int senders_ = 0, lasts_ = 0;
  Clock::duration standstill_{};  // the last one that was long enough for the others to give this rank up
  Clock::time_point awoken_;
  bool any_left_ = false, last_sent_ = false;
  std::optional<Blame> trouble_;
  std::vector<std::unique_ptr<Message>> messages_;  // on their way, with
  std::vector<uint64_t> requests_;                  // theirs
  std::vector<CaiMpiDone> done_;
};

}  // namespace cai
