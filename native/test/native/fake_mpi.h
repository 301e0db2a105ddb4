// An MPI whose ranks are threads of one process: the thread that calls `start` becomes the next rank.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "communicator/mpi_interface.h"

namespace fake {

struct Letter {
  int from, tag;
  std::vector<char> data;
};

struct Net {
  explicit Net(int size) : size(size), inboxes{std::vector<std::deque<Letter>>(size), std::vector<std::deque<Letter>>(size)} {}
  const int size;
  std::mutex mutex;
  std::vector<std::deque<Letter>> inboxes[2];  // by channel and rank
  std::map<int, std::vector<char>> introductions;
  std::atomic<int> next_rank{0}, finished{0};
  std::atomic<int> frozen{-1};       // a rank whose calls don't come back
  std::atomic<int> unreachable{-1};  // a rank to which data can't be sent
};

inline Net* net = nullptr;

struct Request {
  bool send;
  int channel, peer, tag, capacity;
  void* data;
};

inline thread_local int self = -1;
inline thread_local std::map<uint64_t, Request> requests;
inline thread_local uint64_t last_request = 0;

inline void Stall() {
  while (net->frozen == self) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

inline int Start(int* rank, int* size, int* most_tag) {
  *rank = self = net->next_rank++;
  *size = net->size;
  *most_tag = 32767;
  requests.clear();
  return 0;
}

inline int Gather(const void* mine, int bytes, void* all) {
  const char* from = static_cast<const char*>(mine);
  {
    std::lock_guard<std::mutex> lock(net->mutex);
    net->introductions[self] = std::vector<char>(from, from + bytes);
  }
  for (;;) {
    std::lock_guard<std::mutex> lock(net->mutex);
    if (static_cast<int>(net->introductions.size()) < net->size) continue;
    for (const auto& [rank, data] : net->introductions) std::memcpy(static_cast<char*>(all) + rank * bytes, data.data(), bytes);
    return 0;
  }
}

// Even ranks are on one machine, odd ranks on another.
inline int FindLocal(int* is_local) {
  for (int rank = 0; rank < net->size; ++rank) is_local[rank] = rank % 2 == self % 2;
  return 0;
}

inline int Send(int channel, const void* data, int bytes, int peer, int tag, uint64_t* request) {
  Stall();
  if (channel == kCaiMpiData && net->unreachable == peer) return 7;
  const char* from = static_cast<const char*>(data);
  std::lock_guard<std::mutex> lock(net->mutex);
  net->inboxes[channel][peer].push_back({self, tag, std::vector<char>(from, from + bytes)});
  *request = ++last_request;
  requests[*request] = {true, channel, peer, tag, bytes, nullptr};
  return 0;
}

inline int Receive(int channel, void* data, int bytes, int peer, int tag, uint64_t* request) {
  Stall();
  *request = ++last_request;
  requests[*request] = {false, channel, peer, tag, bytes, data};
  return 0;
}

// Requests are tested in the order in which they were posted, as messages match.
inline int Test(int count, uint64_t* list, int* done_count, CaiMpiDone* done) {
  Stall();
  *done_count = 0;
  std::vector<std::pair<uint64_t, int>> order;
  for (int i = 0; i < count; ++i) order.push_back({list[i], i});
  std::sort(order.begin(), order.end());
  std::lock_guard<std::mutex> lock(net->mutex);
  for (const auto& [id, index] : order) {
    const Request request = requests[id];
    int64_t bytes = 0;
    if (!request.send) {
      auto& inbox = net->inboxes[request.channel][self];
      const auto found = std::find_if(inbox.begin(), inbox.end(), [&](const Letter& letter) {
        return letter.from == request.peer && letter.tag == request.tag;
      });
      if (found == inbox.end()) continue;
      bytes = static_cast<int64_t>(found->data.size());
      std::memcpy(request.data, found->data.data(), std::min<size_t>(found->data.size(), request.capacity));
      inbox.erase(found);
    }
    requests.erase(id);
    done[(*done_count)++] = {index, bytes > request.capacity ? 9 : 0, bytes};
  }
  return 0;
}

inline int Probe(int channel, int tag, int* found, int* peer, int* bytes) {
  Stall();
  std::lock_guard<std::mutex> lock(net->mutex);
  *found = 0;
  for (const Letter& letter : net->inboxes[channel][self]) {
    // What a receive is posted for is taken.
    const bool taken = std::any_of(requests.begin(), requests.end(), [&](const auto& entry) {
      return !entry.second.send && entry.second.channel == channel && entry.second.peer == letter.from;
    });
    if (letter.tag != tag || taken) continue;
    *found = 1;
    *peer = letter.from;
    *bytes = static_cast<int>(letter.data.size());
    return 0;
  }
  return 0;
}

inline int Finish() {
  ++net->finished;
  return 0;
}

inline void ErrorText(int error, char* text, int capacity) { std::snprintf(text, capacity, "fake error %d", error); }

inline const CaiMpiTable table = {kCaiMpiVersion, "fake", Start, Gather, FindLocal,
                                  Send,           Receive, Test, Probe, Finish, ErrorText};

}  // namespace fake
