#include "communicator/loader.h"

#include <dlfcn.h>
#include <signal.h>

#include <cstdlib>

namespace cai {
namespace {

std::string Reason() {
  const char* text = dlerror();
  return text ? text : "unknown reason";
}

std::string AddonPath() {
  Dl_info info;
  return dladdr(reinterpret_cast<void*>(&AddonPath), &info) && info.dli_fname ? info.dli_fname : "";
}

}  // namespace

void PrepareProcess(const Preparation& preparation) {
  for (const auto& [name, value] : preparation.defaults) setenv(name.c_str(), value.c_str(), 0);
  if (!preparation.ignore_sigusr1) return;
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGUSR1, &ignore, nullptr);
}

LoadedMpi LoadMpi(const std::vector<std::string>& candidates, const std::string& thin) {
  LoadedMpi loaded;
  for (const std::string& candidate : candidates) {
    // Global, since Open MPI's plugins and our thin library look for its symbols there. It stays open: no MPI survives
    // being unmapped.
    if (dlopen(candidate.c_str(), RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE)) {
      loaded.library = candidate;
      break;
    }
    loaded.tried.push_back(candidate + ": " + Reason());
  }
  if (loaded.library.empty()) return loaded;
  const std::string addon = AddonPath();
  const std::string path = addon.substr(0, addon.rfind('/') + 1) + thin;
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  const auto entry = library ? reinterpret_cast<CaiMpiEntry>(dlsym(library, kCaiMpiEntryName)) : nullptr;
  if (!entry) {
    loaded.tried.push_back(path + ": " + Reason());
    return loaded;
  }
  const CaiMpiTable* table = entry();
  if (table->version == kCaiMpiVersion) {
    loaded.table = table;
  } else {
    loaded.tried.push_back(path + ": its interface has version " + std::to_string(table->version) +
                           ", this addon needs " + std::to_string(kCaiMpiVersion));
  }
  return loaded;
}

void PinAddon() { dlopen(AddonPath().c_str(), RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE); }

}  // namespace cai
