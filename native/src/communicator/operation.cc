#include "communicator/operation.h"

#include <algorithm>
#include <cstring>

#include "communicator/sum.h"

namespace cai {
namespace {

// What a sum holds of the others' values at a time.
constexpr size_t kSegmentFloats = size_t{4} << 20;
// Up to here every rank sends everything to all and adds it up itself: one round instead of two.
constexpr size_t kOneRoundBytes = 16 << 10;

void Copy(char* to, const char* from, size_t bytes) {
  if (bytes > 0 && to != from) std::memmove(to, from, bytes);
}

class AllToAll : public Operation {
 public:
  AllToAll(int rank, int size, Bytes send, Bytes receive, bool gather)
      : Operation(rank, size),
        send_(send.data),
        receive_(receive.data),
        part_(receive.size / size),
        send_stride_(gather ? 0 : part_) {}

  bool Next(std::vector<Transfer>* transfers) override {
    if (step_++ > 0) return false;
    Copy(receive_ + rank_ * part_, send_ + rank_ * send_stride_, part_);
    for (int distance = 1; distance < size_ && part_ > 0; ++distance) {
      // Everybody starts with another peer.
      const int to = (rank_ + distance) % size_, from = (rank_ + size_ - distance) % size_;
      transfers->push_back({from, false, receive_ + from * part_, part_});
      transfers->push_back({to, true, send_ + to * send_stride_, part_});
    }
    return true;
  }

 private:
  char* const send_;
  char* const receive_;
  const size_t part_, send_stride_;
};

// The others' values of one shard, added to this rank's in the order of ranks.
class Shards {
 public:
  Shards(int rank, int size, size_t most) : rank_(rank), most_(most), others_(most * (size - 1)), parts_(size) {}

  // Where the values of `peer` go.
  float* Of(int peer) { return others_.data() + (peer < rank_ ? peer : peer - 1) * most_; }

  void Sum(const float* own, float* out, size_t n) {
    for (int peer = 0; peer < static_cast<int>(parts_.size()); ++peer) parts_[peer] = peer == rank_ ? own : Of(peer);
    SumInOrder(parts_.data(), static_cast<int>(parts_.size()), out, n);
  }

 private:
  const int rank_;
  const size_t most_;
  std::vector<float> others_;
  std::vector<const float*> parts_;
};

char* AsBytes(float* values) { return reinterpret_cast<char*>(values); }

class ReduceScatter : public Operation {
 public:
  ReduceScatter(int rank, int size, Bytes send, Bytes receive)
      : Operation(rank, size),
        send_(reinterpret_cast<float*>(send.data)),
        receive_(reinterpret_cast<float*>(receive.data)),
        part_(receive.size / sizeof(float)),
        piece_(std::min(part_, std::max<size_t>(1, kSegmentFloats / size))),
        shards_(rank, size, piece_) {}

  bool Next(std::vector<Transfer>* transfers) override {
    if (step_++ > 0) {
      shards_.Sum(send_ + rank_ * part_ + start_, receive_ + start_, length_);
      start_ += length_;
    }
    length_ = std::min(piece_, part_ - start_);
    if (length_ == 0) return false;
    for (int distance = 1; distance < size_; ++distance) {
      const int to = (rank_ + distance) % size_, from = (rank_ + size_ - distance) % size_;
      transfers->push_back({from, false, AsBytes(shards_.Of(from)), length_ * sizeof(float)});
      transfers->push_back({to, true, AsBytes(send_ + to * part_ + start_), length_ * sizeof(float)});
    }
    return true;
  }

 private:
  float* const send_;
  float* const receive_;
  const size_t part_, piece_;
  size_t start_ = 0, length_ = 0;
  Shards shards_;
};

class AllReduce : public Operation {
 public:
  AllReduce(int rank, int size, Bytes buffer)
      : Operation(rank, size),
        values_(reinterpret_cast<float*>(buffer.data)),
        count_(buffer.size / sizeof(float)),
        one_round_(buffer.size <= kOneRoundBytes),
        shards_(rank, size, ShardLength(std::min(count_, kSegmentFloats))) {}

  bool Next(std::vector<Transfer>* transfers) override {
    if (one_round_) return NextOfOneRound(transfers);
    if (step_++ % 2 == 0) {
      start_ += length_;
      length_ = std::min(kSegmentFloats, count_ - start_);
      if (length_ == 0) return false;
      ListShards(transfers, true);
    } else {
      float* own = ShardOf(rank_);
      shards_.Sum(own, own, LengthOf(rank_));
      ListShards(transfers, false);
    }
    return true;
  }

 private:
  size_t ShardLength(size_t n) const { return one_round_ ? n : (n + size_ - 1) / size_; }
  size_t StartOf(int rank) const { return std::min(length_, rank * ShardLength(length_)); }
  size_t LengthOf(int rank) const { return StartOf(rank + 1) - StartOf(rank); }
  float* ShardOf(int rank) const { return values_ + start_ + StartOf(rank); }

  // First every rank's shard goes to its owner, then the owner's sum to every rank.
  void ListShards(std::vector<Transfer>* transfers, bool to_owner) {
    for (int distance = 1; distance < size_; ++distance) {
      const int to = (rank_ + distance) % size_, from = (rank_ + size_ - distance) % size_;
      const int came = to_owner ? rank_ : from, goes = to_owner ? to : rank_;
      float* place = to_owner ? shards_.Of(from) : ShardOf(from);
      const size_t in = LengthOf(came) * sizeof(float), out = LengthOf(goes) * sizeof(float);
      if (in > 0) transfers->push_back({from, false, AsBytes(place), in});
      if (out > 0) transfers->push_back({to, true, AsBytes(ShardOf(goes)), out});
    }
  }

  bool NextOfOneRound(std::vector<Transfer>* transfers) {
    if (step_++ > 0) {
      shards_.Sum(values_, values_, count_);
      return false;
    }
    for (int distance = 1; distance < size_ && count_ > 0; ++distance) {
      const int to = (rank_ + distance) % size_, from = (rank_ + size_ - distance) % size_;
      transfers->push_back({from, false, AsBytes(shards_.Of(from)), count_ * sizeof(float)});
      transfers->push_back({to, true, AsBytes(values_), count_ * sizeof(float)});
    }
    return true;
  }

  float* const values_;
  const size_t count_;
  const bool one_round_;
  size_t start_ = 0, length_ = 0;
  Shards shards_;
};

// Along a binomial tree, counted from the root.
class Broadcast : public Operation {
 public:
  Broadcast(int rank, int size, Bytes buffer, int root) : Operation(rank, size), buffer_(buffer), root_(root) {}

  bool Next(std::vector<Transfer>* transfers) override {
    if (step_ > 1 || buffer_.size == 0) return false;
    const int place = (rank_ + size_ - root_) % size_;
    const int lowest = place == 0 ? size_ : place & -place;
    if (step_++ == 0) {
      if (place > 0) transfers->push_back({Member(place - lowest), false, buffer_.data, buffer_.size});
      return true;
    }
    int span = 1;
    while (span < lowest && span < size_) span *= 2;
    for (span /= 2; span > 0; span /= 2) {
      if (place + span < size_) transfers->push_back({Member(place + span), true, buffer_.data, buffer_.size});
    }
    return true;
  }

 private:
  int Member(int place) const { return (place + root_) % size_; }
  const Bytes buffer_;
  const int root_;
};

// Each step doubles the number of ranks that this one knows to have come.
class Barrier : public Operation {
 public:
  Barrier(int rank, int size) : Operation(rank, size) {}

  bool Next(std::vector<Transfer>* transfers) override {
    const int64_t distance = int64_t{1} << step_++;
    if (distance >= size_) return false;
    transfers->push_back({static_cast<int>((rank_ + size_ - distance) % size_), false, &in_, 1});
    transfers->push_back({static_cast<int>((rank_ + distance) % size_), true, &out_, 1});
    return true;
  }

 private:
  char in_ = 0, out_ = 0;
};

}  // namespace

std::unique_ptr<Operation> MakeAllToAll(int rank, int size, Bytes send, Bytes receive) {
  return std::make_unique<AllToAll>(rank, size, send, receive, false);
}

std::unique_ptr<Operation> MakeAllGather(int rank, int size, Bytes send, Bytes receive) {
  return std::make_unique<AllToAll>(rank, size, send, receive, true);
}

std::unique_ptr<Operation> MakeReduceScatter(int rank, int size, Bytes send, Bytes receive) {
  return std::make_unique<ReduceScatter>(rank, size, send, receive);
}

std::unique_ptr<Operation> MakeAllReduce(int rank, int size, Bytes buffer) {
  return std::make_unique<AllReduce>(rank, size, buffer);
}

std::unique_ptr<Operation> MakeBroadcast(int rank, int size, Bytes buffer, int root) {
  return std::make_unique<Broadcast>(rank, size, buffer, root);
}

std::unique_ptr<Operation> MakeBarrier(int rank, int size) { return std::make_unique<Barrier>(rank, size); }

}  // namespace cai
