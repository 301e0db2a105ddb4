// The border between native exceptions and JavaScript errors.
#pragma once

#include "core/napi_args.h"

namespace cai {

using Binding = Napi::Value (*)(const Args&);

// Runs a binding and turns every exception into a JavaScript CaiError (js/error.ts), an exception that JavaScript threw
// while arguments were read (a getter, a proxy) into its cause.
Napi::Value Guarded(const Napi::CallbackInfo& info, const char* op, Binding binding);

}  // namespace cai
