// The engine on an MPI made for this: every rank is an Engine of this process, so that there can be many, and one can
// fail in ways that a real MPI can't be made to. communicator-engine.test.ts compiles and runs it. Prints each failure,
// ends with their number.
#include <functional>
#include <memory>
#include <string>

#include "communicator/engine.h"
#include "core/error.h"
#include "fake_mpi.h"

namespace {

using cai::Bytes;
using cai::Engine;
using cai::OperationPtr;
using std::chrono::milliseconds;

int failures = 0;

void Expect(bool holds, const std::string& what) {
  if (holds) return;
  std::printf("FAILED: %s\n", what.c_str());
  ++failures;
}

std::string MessageOf(const std::function<void()>& body) {
  try {
    body();
  } catch (const cai::OpError& error) {
    return error.what();
  }
  return "";
}

// Ranks 0 to size - 1, all started.
class Ranks {
 public:
  Ranks(int size, milliseconds beat, milliseconds timeout) : net_(size) {
    fake::net = &net_;
    for (int i = 0; i < size; ++i) engines_.push_back(std::make_unique<Engine>(fake::table, beat, timeout, [] {}));
    for (auto& engine : engines_) {
      while (!engine->AwaitStart(milliseconds(100))) {
      }
    }
    std::vector<std::unique_ptr<Engine>> ordered(size);
    for (auto& engine : engines_) ordered[engine->world().rank] = std::move(engine);
    engines_ = std::move(ordered);
  }
  ~Ranks() {
    net_.frozen = -1;
    for (auto& engine : engines_) engine->Leave();
  }

  Engine& operator[](int rank) { return *engines_[rank]; }
  fake::Net& net() { return net_; }
  int size() const { return net_.size; }

  OperationPtr AllReduce(int rank, std::vector<float>* values) {
    const Bytes bytes = {reinterpret_cast<char*>(values->data()), values->size() * sizeof(float)};
    return Post(rank, cai::MakeAllReduce(rank, size(), bytes));
  }
  OperationPtr Barrier(int rank) { return Post(rank, cai::MakeBarrier(rank, size())); }
  // What a rank learns when it waits for an operation.
  std::string Wait(int rank, const OperationPtr& operation) {
    return MessageOf([&] {
      while (!engines_[rank]->Await(*operation, milliseconds(100))) {
      }
    });
  }

 private:
  OperationPtr Post(int rank, OperationPtr operation) {
    engines_[rank]->Post(&engines_[rank]->group(0), operation);
    return operation;
  }
  fake::Net net_;
  std::vector<std::unique_ptr<Engine>> engines_;
};

// All ranks but one start an operation; what they learn must name that one.
void ExpectBlame(Ranks* ranks, int culprit, const std::string& says) {
  std::vector<OperationPtr> operations(ranks->size());
  for (int rank = 0; rank < ranks->size(); ++rank) {
    if (rank != culprit) operations[rank] = ranks->Barrier(rank);
  }
  for (int rank = 0; rank < ranks->size(); ++rank) {
    if (rank == culprit) continue;
    const std::string message = ranks->Wait(rank, operations[rank]);
    const bool named = message.find("rank " + std::to_string(culprit) + " on ") == 0;
    Expect(named && message.find(says) != std::string::npos, "rank " + std::to_string(rank) + " learnt: " + message);
    Expect(MessageOf([&] { ranks->Barrier(rank); }) == message, "later operations must fail with the same error");
  }
}

// More ranks than are told directly: 70 learn from each other.
void TestMany() {
  Ranks ranks(70, milliseconds(100), milliseconds(10000));
  std::vector<std::vector<float>> values;
  for (int rank = 0; rank < 70; ++rank) values.emplace_back(5000, static_cast<float>(rank));
  std::vector<OperationPtr> operations;
  for (int rank = 0; rank < 70; ++rank) operations.push_back(ranks.AllReduce(rank, &values[rank]));
  for (int rank = 0; rank < 70; ++rank) {
    const std::string message = ranks.Wait(rank, operations[rank]);
    Expect(message.empty(), message);
    Expect(values[rank][0] == 2415 && values[rank][4999] == 2415, "the sum over 70 ranks");
  }
  for (int rank = 0; rank < 70; ++rank) ranks[rank].BeginClose();
  for (int rank = 0; rank < 70; ++rank) {
    while (ranks[rank].AwaitClose(milliseconds(100)) != cai::Closing::kEnded) {
    }
  }
  Expect(ranks.net().finished == 70, "all ranks end MPI");
}

void TestSilentAmongMany() {
  Ranks ranks(70, milliseconds(200), milliseconds(2500));
  ranks.net().frozen = 33;
  ExpectBlame(&ranks, 33, "has not been heard from");
}

void TestAbsent() {
  Ranks ranks(5, milliseconds(50), milliseconds(800));
  ExpectBlame(&ranks, 3, "lives but has not come to an operation");
}

void TestDeserter() {
  Ranks ranks(5, milliseconds(50), milliseconds(5000));
  ranks[2].Leave();
  ExpectBlame(&ranks, 2, "ended without close()");
}

// What a rank sent before it left counts: nobody needs it any more.
void TestLeavingAfterwards() {
  Ranks ranks(4, milliseconds(50), milliseconds(1000));
  std::vector<OperationPtr> operations;
  for (int rank = 0; rank < 4; ++rank) operations.push_back(ranks.Barrier(rank));
  for (int rank = 0; rank < 4; ++rank) Expect(ranks.Wait(rank, operations[rank]).empty(), "a barrier");
  ranks[1].Leave();
  std::this_thread::sleep_for(milliseconds(1500));
  for (const int rank : {0, 2, 3}) {
    const bool usable = MessageOf([&] { ranks[rank].AwaitStart(milliseconds(0)); }).empty();
    Expect(usable, "silence of a rank that left is no failure while nobody needs it");
  }
}

void TestErrorOfMpi() {
  Ranks ranks(3, milliseconds(50), milliseconds(5000));
  ranks.net().unreachable = 1;
  const OperationPtr operation = ranks.Barrier(0);
  const std::string message = ranks.Wait(0, operation);
  Expect(message.find("rank 1 on") != std::string::npos && message.find("fake error 7") != std::string::npos, message);
  const std::string other = MessageOf([&] {
    for (;;) ranks.Wait(2, ranks.Barrier(2));
  });
  Expect(other == message, "the others learn the same: " + other);
}

// A thread that never comes back from MPI must hold up neither a failure nor the end of the process.
void TestStuckThread() {
  Ranks ranks(2, milliseconds(50), milliseconds(500));
  ranks.net().frozen = 0;
  const std::string message = ranks.Wait(0, ranks.Barrier(0));
  Expect(message.find("rank 0 on ") == 0 && message.find("hangs") != std::string::npos, "a stuck thread: " + message);
  const auto start = cai::Clock::now();
  Expect(!ranks[0].Leave(), "a thread inside MPI can't be ended");
  Expect(cai::Clock::now() - start < milliseconds(4000), "leaving it takes a limited time");
  ranks.net().frozen = -1;
  std::this_thread::sleep_for(milliseconds(500));
}

}  // namespace

int main() {
  TestMany();
  TestSilentAmongMany();
  TestAbsent();
  TestDeserter();
  TestLeavingAfterwards();
  TestErrorOfMpi();
  TestStuckThread();
  return failures;
}
