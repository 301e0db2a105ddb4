// Opens a family's MPI and our thin library over it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "communicator/mpi_interface.h"

namespace cai {

struct LoadedMpi {
  const CaiMpiTable* table = nullptr;
  std::string library;             // the MPI that was found
  std::vector<std::string> tried;  // what failed, each with its reason
};

// Settings that are in force before an MPI is mapped, since some of its libraries read them then.
struct Preparation {
  std::vector<std::pair<std::string, std::string>> defaults;  // of the process's environment, where it has none
  bool ignore_sigusr1 = false;
};
void PrepareProcess(const Preparation& preparation);

// Tries the names or paths of MPI libraries in turn; `thin` is the file name of ours, which lies beside the addon.
LoadedMpi LoadMpi(const std::vector<std::string>& candidates, const std::string& thin);

// Keeps the addon mapped until the process ends: a thread runs its code.
void PinAddon();

}  // namespace cai
