// What JavaScript can ask of the core itself: threads, the instruction set in use, memory.
#include "core/cpu_target.h"
#include "core/memory.h"
#include "core/napi_args.h"
#include "core/thread_pool.h"

namespace cai {
namespace {

// Node 20 makes external buffers of 4 GiB at most, and frees a larger one twice.
constexpr int64_t kMostBytes = int64_t{1} << 32;

void ReleasePages(napi_env, void* pages, void* bytes) { FreePages(pages, reinterpret_cast<size_t>(bytes)); }

}  // namespace

Napi::Value SetThreads(const Args& args) {
  ThreadPool::Get().Resize(static_cast<int>(args.Integer(0, "threads", 1, kMaxThreads)));
  return args.env().Undefined();
}

Napi::Value Threads(const Args& args) { return Napi::Number::New(args.env(), ThreadPool::Get().size()); }

Napi::Value CpuTarget(const Args& args) { return Napi::String::New(args.env(), CpuTargetName()); }

Napi::Value AllocateAligned(const Args& args) {
  const size_t bytes = static_cast<size_t>(args.Integer(0, "bytes", 0, kMostBytes));
  if (bytes == 0) return Napi::ArrayBuffer::New(args.env(), 0);
  void* data = AllocatePages(bytes);
  napi_value buffer = nullptr;
  const napi_status status = napi_create_external_arraybuffer(args.env(), data, bytes, ReleasePages,
                                                              reinterpret_cast<void*>(bytes), &buffer);
  if (status == napi_ok) return Napi::Value(args.env(), buffer);
  FreePages(data, bytes);
  args.Fail(ErrorCode::kMemory, "this JavaScript engine could not take " + std::to_string(bytes) +
                                    " bytes from outside it: use an ArrayBuffer of its own");
}

}  // namespace cai
