// What the engine needs of MPI, as plain C: each family of MPI has its own binary interface, so each gets a thin library
// (mpi_library.cc) with this table. All calls come from one thread. Functions return MPI's error
// code, 0 for success.
#pragma once

#include <cstdint>

extern "C" {

constexpr int kCaiMpiVersion = 1;

// Two independent streams of messages between the same processes.
enum CaiMpiChannel { kCaiMpiData = 0, kCaiMpiPulse = 1 };

struct CaiMpiDone {
  int index;  // in the list of requests
  int error;
  int64_t bytes;  // received; 0 for a send
};

struct CaiMpiTable {
  int version;
  const char* family;
  // Starts MPI for one calling thread; errors are returned from here on.
  int (*start)(int* rank, int* size, int* most_tag);
  // Blocking: `all` gets every rank's `bytes` bytes, in the order of ranks.
  int (*gather)(const void* mine, int bytes, void* all);
  // Blocking: is_local[r] says whether rank r is on this machine.
  int (*find_local)(int* is_local);
  int (*send)(int channel, const void* data, int bytes, int peer, int tag, uint64_t* request);
  int (*receive)(int channel, void* data, int bytes, int peer, int tag, uint64_t* request);
  // Fills `done` (room for `count`) with the requests that are over; they must leave the list.
  int (*test)(int count, uint64_t* requests, int* done_count, CaiMpiDone* done);
  int (*probe)(int channel, int tag, int* found, int* peer, int* bytes);
  // Blocking, on all ranks.
  int (*finish)();
  void (*error_text)(int error, char* text, int capacity);
};

using CaiMpiEntry = const CaiMpiTable* (*)();
constexpr char kCaiMpiEntryName[] = "cai_mpi_table";

}  // extern "C"
