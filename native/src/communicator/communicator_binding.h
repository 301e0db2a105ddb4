#pragma once

#include <napi.h>

namespace cai {

// The object with the communicator's functions, which js/communicator/ alone calls.
Napi::Object CommunicatorExports(Napi::Env env);

}  // namespace cai
