// What JavaScript can ask of the core itself: threads, the instruction set in use, memory.
#include "core/cpu_target.h"
#include "core/memory.h"
#include "core/napi_args.h"
#include "core/thread_pool.h"

namespace cai {

Napi::Value SetThreads(const Args& args) {
  ThreadPool::Get().Resize(static_cast<int>(args.Integer(0, "threads", 1, kMaxThreads)));
  return args.env().Undefined();
}

Napi::Value Threads(const Args& args) { return Napi::Number::New(args.env(), ThreadPool::Get().size()); }

Napi::Value CpuTarget(const Args& args) { return Napi::String::New(args.env(), CpuTargetName()); }

Napi::Value AllocateAligned(const Args& args) {
  const size_t bytes = static_cast<size_t>(args.Integer(0, "bytes", 0, int64_t{1} << 40));
  if (bytes == 0) return Napi::ArrayBuffer::New(args.env(), 0);
  void* data = AllocatePages(bytes);
  return Napi::ArrayBuffer::New(
      args.env(), data, bytes, [](Napi::BasicEnv, void* pages, void* size) { FreePages(pages, reinterpret_cast<size_t>(size)); },
      reinterpret_cast<void*>(bytes));
}

}  // namespace cai
