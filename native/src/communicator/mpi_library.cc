// The thin library between the engine and one family of MPI: no decisions, no state but MPI's handles. Compiled once a
// family against its mpi.h and not linked with it: the loader opens MPI first, for everybody to see.
#include <mpi.h>

#include <cstdio>
#include <cstring>
#include <vector>

#include "communicator/mpi_interface.h"

namespace {

MPI_Comm channels[2];
std::vector<MPI_Request> requests_seen;
std::vector<int> indices;
std::vector<MPI_Status> statuses;

static_assert(sizeof(MPI_Request) <= sizeof(uint64_t), "a request is a handle");

void Store(MPI_Request request, uint64_t* out) {
  *out = 0;
  std::memcpy(out, &request, sizeof request);
}

int Start(int* rank, int* size, int* most_tag) {
  int provided = MPI_THREAD_SINGLE;
  int error = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  if (error != MPI_SUCCESS) return error;
  // Communicators made from this one inherit its handler.
  if ((error = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN)) != MPI_SUCCESS) return error;
  if ((error = MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN)) != MPI_SUCCESS) return error;
  if ((error = MPI_Comm_rank(MPI_COMM_WORLD, rank)) != MPI_SUCCESS) return error;
  if ((error = MPI_Comm_size(MPI_COMM_WORLD, size)) != MPI_SUCCESS) return error;
  for (MPI_Comm& channel : channels) {
    if ((error = MPI_Comm_dup(MPI_COMM_WORLD, &channel)) != MPI_SUCCESS) return error;
    if ((error = MPI_Comm_set_errhandler(channel, MPI_ERRORS_RETURN)) != MPI_SUCCESS) return error;
  }
  int* bound = nullptr;
  int found = 0;
  error = MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &bound, &found);
  *most_tag = error == MPI_SUCCESS && found ? *bound : 32767;
  return error;
}

int Gather(const void* mine, int bytes, void* all) {
  return MPI_Allgather(mine, bytes, MPI_BYTE, all, bytes, MPI_BYTE, channels[kCaiMpiPulse]);
}

int FindLocal(int* is_local) {
  int size = 0, local_size = 0;
  MPI_Comm local = MPI_COMM_NULL;
  int error = MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &local);
  if (error != MPI_SUCCESS) return error;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Comm_size(local, &local_size);
  MPI_Group world_group, local_group;
  MPI_Comm_group(MPI_COMM_WORLD, &world_group);
  MPI_Comm_group(local, &local_group);
  std::vector<int> ranks(size), translated(size, MPI_UNDEFINED);
  for (int i = 0; i < size; ++i) ranks[i] = i;
  error = MPI_Group_translate_ranks(world_group, size, ranks.data(), local_group, translated.data());
  for (int i = 0; i < size; ++i) is_local[i] = translated[i] != MPI_UNDEFINED;
  MPI_Group_free(&world_group);
  MPI_Group_free(&local_group);
  MPI_Comm_free(&local);
  return error;
}

int Send(int channel, const void* data, int bytes, int peer, int tag, uint64_t* request) {
  MPI_Request made = MPI_REQUEST_NULL;
  const int error = MPI_Isend(data, bytes, MPI_BYTE, peer, tag, channels[channel], &made);
  Store(made, request);
  return error;
}

int Receive(int channel, void* data, int bytes, int peer, int tag, uint64_t* request) {
  MPI_Request made = MPI_REQUEST_NULL;
  const int error = MPI_Irecv(data, bytes, MPI_BYTE, peer, tag, channels[channel], &made);
  Store(made, request);
  return error;
}

int Test(int count, uint64_t* requests, int* done_count, CaiMpiDone* done) {
  *done_count = 0;
  if (count == 0) return MPI_SUCCESS;
  requests_seen.resize(count);
  indices.resize(count);
  statuses.resize(count);
  for (int i = 0; i < count; ++i) std::memcpy(&requests_seen[i], &requests[i], sizeof(MPI_Request));
  int completed = 0;
  const int error = MPI_Testsome(count, requests_seen.data(), &completed, indices.data(), statuses.data());
  if (error != MPI_SUCCESS && error != MPI_ERR_IN_STATUS) return error;
  if (completed == MPI_UNDEFINED) completed = 0;
  for (int i = 0; i < completed; ++i) {
    // The field is defined only then.
    const int own = error == MPI_ERR_IN_STATUS ? statuses[i].MPI_ERROR : MPI_SUCCESS;
    if (own == MPI_ERR_PENDING) continue;
    int bytes = 0;
    if (own == MPI_SUCCESS) MPI_Get_count(&statuses[i], MPI_BYTE, &bytes);
    done[(*done_count)++] = {indices[i], own, bytes == MPI_UNDEFINED ? 0 : bytes};
  }
  for (int i = 0; i < count; ++i) Store(requests_seen[i], &requests[i]);
  return MPI_SUCCESS;
}

int Probe(int channel, int tag, int* found, int* peer, int* bytes) {
  MPI_Status status;
  const int error = MPI_Iprobe(MPI_ANY_SOURCE, tag, channels[channel], found, &status);
  if (error != MPI_SUCCESS || !*found) return error;
  *peer = status.MPI_SOURCE;
  return MPI_Get_count(&status, MPI_BYTE, bytes);
}

int Finish() {
  for (MPI_Comm& channel : channels) MPI_Comm_free(&channel);
  return MPI_Finalize();
}

void ErrorText(int error, char* text, int capacity) {
  char message[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  if (MPI_Error_string(error, message, &length) != MPI_SUCCESS) length = 0;
  std::snprintf(text, capacity, "%.*s", length, message);
}

#ifdef OPEN_MPI
constexpr char kFamily[] = "openmpi";
#else
constexpr char kFamily[] = "mpich";
#endif

const CaiMpiTable table = {kCaiMpiVersion, kFamily, Start, Gather, FindLocal, Send,
                           Receive,        Test,    Probe, Finish, ErrorText};

}  // namespace

extern "C" __attribute__((visibility("default"))) const CaiMpiTable* cai_mpi_table() { return &table; }
