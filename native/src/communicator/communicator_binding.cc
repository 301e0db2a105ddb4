// What js/communicator/mpi.ts asks of the engine. One environment of the process owns it: the one that started it.
#include "communicator/communicator_binding.h"

#include <cstdlib>
#include <map>

#include "communicator/engine.h"
#include "communicator/loader.h"
#include "core/guard.h"

namespace cai {
namespace {

using std::chrono::milliseconds;

constexpr char kName[] = "communicator";
constexpr int64_t kMostMs = 1000000000;
constexpr int64_t kMostId = 2147483647;

// An operation that JavaScript knows by number, and its buffers, which must outlive it.
struct Pending {
  OperationPtr operation;
  std::vector<Napi::ObjectReference> buffers;
};

struct Owner {
  Engine* engine = nullptr;  // never deleted: its thread may be beyond reach
  napi_env env = nullptr;    // null once that environment has ended
  std::map<int64_t, Pending> pending;
  int64_t last_id = 0;
};

std::mutex owner_mutex;  // guards what decides who owns the engine
Owner owner;
LoadedMpi loaded;

// process.exit() ends the process without the hooks of its environments, and the destructors of MPI's libraries don't
// expect a thread that still calls them.
void LeaveProcess() { owner.engine->Leave(); }

// How the engine's thread calls JavaScript. The mutex keeps it from using a function whose environment has taken it back.
struct Bell {
  std::mutex mutex;
  napi_threadsafe_function function = nullptr;
  std::atomic<bool> rung{false};
};
Bell bell;

void Ring() {
  std::lock_guard<std::mutex> lock(bell.mutex);
  if (!bell.function || bell.rung.exchange(true)) return;
  napi_call_threadsafe_function(bell.function, nullptr, napi_tsfn_nonblocking);
}

void Answer(napi_env env, napi_value callback, void*, void*) {
  bell.rung = false;
  napi_value undefined = nullptr;
  if (!env || napi_get_undefined(env, &undefined) != napi_ok) return;
  napi_call_function(env, undefined, callback, 0, nullptr, nullptr);
}

void TakeBack(napi_env, void*, void*) {
  std::lock_guard<std::mutex> lock(bell.mutex);
  bell.function = nullptr;
}

void LeaveEnvironment(void*) {
  if (owner.engine->Leave()) {
    owner.pending.clear();
  } else {
    // The thread hangs inside MPI and may still touch the buffers: they stay pinned as long as they can be.
    new std::map<int64_t, Pending>(std::move(owner.pending));
  }
  std::lock_guard<std::mutex> lock(owner_mutex);
  owner.env = nullptr;
}

Engine& OwnEngine(const Args& args) {
  std::lock_guard<std::mutex> lock(owner_mutex);
  if (owner.engine && owner.env == napi_env(args.env())) return *owner.engine;
  args.Fail(ErrorCode::kComm, owner.engine ? "MPI belongs to another thread of this process" : "MPI is not started");
}

std::string Text(const Args& args, const Napi::Value& value, const char* name) {
  if (!value.IsString()) args.Fail(ErrorCode::kArgument, name + (" must be a string, got " + Describe(value)));
  return value.As<Napi::String>().Utf8Value();
}

std::vector<std::string> Texts(const Args& args, size_t index, const char* name) {
  const Napi::Value value = args.value(index);
  if (!value.IsArray()) args.Fail(ErrorCode::kArgument, name + (" must be an array, got " + Describe(value)));
  const Napi::Array list = value.As<Napi::Array>();
  std::vector<std::string> texts;
  for (uint32_t i = 0; i < list.Length(); ++i) texts.push_back(Text(args, list.Get(i), name));
  return texts;
}

// (thin library, [MPI libraries], [NAME=value], whether to ignore SIGUSR1) -> { library?, tried }
Napi::Value Load(const Args& args) {
  const std::string thin = Text(args, args.value(0), "thin");
  const std::vector<std::string> candidates = Texts(args, 1, "libraries");
  Preparation preparation;
  for (const std::string& setting : Texts(args, 2, "settings")) {
    const size_t equals = setting.find('=');
    if (equals != std::string::npos) preparation.defaults.push_back({setting.substr(0, equals), setting.substr(equals + 1)});
  }
  preparation.ignore_sigusr1 = args.value(3).ToBoolean();
  std::lock_guard<std::mutex> lock(owner_mutex);
  const Napi::Env env = args.env();
  if (!owner.engine) {
    PrepareProcess(preparation);
    loaded = LoadMpi(candidates, thin);
  }
  Napi::Object result = Napi::Object::New(env);
  if (loaded.table) result.Set("library", loaded.library);
  Napi::Array tried = Napi::Array::New(env, loaded.tried.size());
  for (uint32_t i = 0; i < loaded.tried.size(); ++i) tried.Set(i, loaded.tried[i]);
  result.Set("tried", tried);
  return result;
}

// (timeoutMs, heartbeatMs)
Napi::Value Start(const Args& args) {
  const milliseconds timeout(args.Integer(0, "timeoutMs", 1, kMostMs));
  const milliseconds beat(args.Integer(1, "heartbeatMs", 1, kMostMs));
  std::lock_guard<std::mutex> lock(owner_mutex);
  if (owner.engine) {
    args.Fail(ErrorCode::kComm, "MPI has been started before in this process, which it can be once only: keep that "
                                "communicator, or start another process");
  }
  if (!loaded.table) args.Fail(ErrorCode::kComm, "no MPI library is loaded");
  PinAddon();
  owner.engine = new Engine(*loaded.table, beat, timeout, Ring);
  owner.env = args.env();
  napi_add_env_cleanup_hook(args.env(), LeaveEnvironment, nullptr);
  std::atexit(LeaveProcess);
  return args.env().Undefined();
}

// (milliseconds) -> undefined while MPI starts, then { rank, hosts, local }
Napi::Value AwaitStart(const Args& args) {
  Engine& engine = OwnEngine(args);
  const Napi::Env env = args.env();
  if (!engine.AwaitStart(milliseconds(args.Integer(0, "milliseconds", 0, kMostMs)))) return env.Undefined();
  const World& world = engine.world();
  Napi::Array hosts = Napi::Array::New(env, world.hosts.size());
  for (uint32_t i = 0; i < world.hosts.size(); ++i) hosts.Set(i, world.hosts[i]);
  Napi::Array local = Napi::Array::New(env, world.local.size());
  for (uint32_t i = 0; i < world.local.size(); ++i) local.Set(i, world.local[i]);
  Napi::Object result = Napi::Object::New(env);
  result.Set("rank", world.rank);
  result.Set("hosts", hosts);
  result.Set("local", local);
  return result;
}

// (group, [ranks of the world])
Napi::Value AddGroup(const Args& args) {
  const int id = static_cast<int>(args.Integer(0, "group", 1, kMostId));
  const Napi::Value list = args.value(1);
  if (!list.IsArray()) args.Fail(ErrorCode::kArgument, "ranks must be an array, got " + Describe(list));
  std::vector<int> members;
  for (uint32_t i = 0; i < list.As<Napi::Array>().Length(); ++i) {
    members.push_back(list.As<Napi::Array>().Get(i).As<Napi::Number>().Int32Value());
  }
  OwnEngine(args).AddGroup(id, std::move(members));
  return args.env().Undefined();
}

Napi::Value BytesSent(const Args& args) {
  const Group& group = OwnEngine(args).group(static_cast<int>(args.Integer(0, "group", 0, kMostId)));
  return Napi::Number::New(args.env(), static_cast<double>(group.bytes_sent.load()));
}

struct Payload {
  Bytes bytes;
  napi_typedarray_type type;
};

Payload ReadPayload(const Args& args, size_t index, const std::string& name) {
  const Napi::Value value = args.value(index);
  const auto fail = [&](const std::string& came) {
    args.Fail(ErrorCode::kArgument, name + " must be a Float32Array or a Uint8Array, got " + came);
  };
  if (!value.IsTypedArray()) fail(Describe(value));
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(args.env(), value, &type, &length, &data, nullptr, nullptr) != napi_ok) {
    args.Fail(ErrorCode::kInternal, name + ": its array could not be read");
  }
  if (type != napi_float32_array && type != napi_uint8_array) fail("another typed array");
  const size_t bytes = length * (type == napi_float32_array ? sizeof(float) : 1);
  return {{static_cast<char*>(data), bytes}, type};
}

bool Overlap(const Bytes& a, const Bytes& b) {
  return a.size > 0 && b.size > 0 && a.data < b.data + b.size && b.data < a.data + a.size;
}

enum class Kind { kAllToAll, kAllGather, kReduceScatter, kAllReduce, kBroadcast, kBarrier };

class Posting {
 public:
  Posting(const Args& args, const Group& group) : args_(args), rank_(group.rank), size_(group.members.size()) {}

  std::unique_ptr<Operation> Make(Kind kind) const {
    const int size = static_cast<int>(size_);
    switch (kind) {
      case Kind::kAllToAll: {
        const auto [send, receive] = Two("allToAll", 1, 1);
        ExpectParts("allToAll: send", send, size_);
        if (Overlap(send, receive)) Fail("allToAll: send and receive must not overlap: use two buffers");
        return MakeAllToAll(rank_, size, send, receive);
      }
      case Kind::kAllGather: {
        const auto [send, receive] = Two("allGather", size_, 1);
        ExpectInPlace("allGather: send", send, receive);
        return MakeAllGather(rank_, size, send, receive);
      }
      case Kind::kReduceScatter: {
        ExpectFloats("reduceScatter: send", 2);
        const auto [send, receive] = Two("reduceScatter", 1, size_);
        ExpectInPlace("reduceScatter: receive", receive, send);
        return MakeReduceScatter(rank_, size, send, receive);
      }
      case Kind::kAllReduce: return MakeAllReduce(rank_, size, ExpectFloats("allReduce: buffer", 2));
      case Kind::kBroadcast: {
        const int root = static_cast<int>(args_.Integer(4, "broadcast: root", 0, size - 1));
        return MakeBroadcast(rank_, size, ReadPayload(args_, 2, "broadcast: buffer").bytes, root);
      }
      case Kind::kBarrier: break;
    }
    return MakeBarrier(rank_, size);
  }

 private:
  [[noreturn]] void Fail(const std::string& message) const { throw OpError(ErrorCode::kArgument, message); }

  Bytes ExpectFloats(const std::string& name, size_t index) const {
    const Payload payload = ReadPayload(args_, index, name);
    if (payload.type != napi_float32_array) Fail(name + " must be a Float32Array, got a Uint8Array");
    return payload.bytes;
  }

  // Both buffers of one type, with send.size * send_times == receive.size * receive_times.
  std::pair<Bytes, Bytes> Two(const std::string& op, size_t send_times, size_t receive_times) const {
    const Payload send = ReadPayload(args_, 2, op + ": send"), receive = ReadPayload(args_, 3, op + ": receive");
    if (send.type != receive.type) Fail(op + ": send and receive must be of one type, got a Float32Array and a Uint8Array");
    if (send.bytes.size * send_times != receive.bytes.size * receive_times) {
      throw OpError(ErrorCode::kShape, op + ": receive must have " +
                                           std::to_string(send.bytes.size * send_times / receive_times) +
                                           " bytes for a send of " + std::to_string(send.bytes.size) + " on " +
                                           std::to_string(size_) + " ranks, got " +
                                           std::to_string(receive.bytes.size));
    }
    return {send.bytes, receive.bytes};
  }

  void ExpectParts(const char* name, Bytes bytes, size_t parts) const {
    const Payload payload = ReadPayload(args_, 2, name);
    const size_t unit = payload.type == napi_float32_array ? sizeof(float) : 1;
    if (bytes.size / unit % parts == 0) return;
    throw OpError(ErrorCode::kShape, name + (" must have one equal part a rank, got " +
                                             std::to_string(bytes.size / unit) + " values for ") +
                                         std::to_string(parts) + " ranks");
  }

  // The smaller buffer may be this rank's part of the larger one, and must not overlap it otherwise.
  void ExpectInPlace(const std::string& name, Bytes part, Bytes whole) const {
    if (!Overlap(part, whole) || part.data == whole.data + rank_ * part.size) return;
    Fail(name + " must be part `rank` of the other buffer, or lie outside it");
  }

  const Args& args_;
  const int rank_;
  const size_t size_;
};

// Lets go of the buffers of operations that are over and that nobody has asked about.
void Sweep() {
  for (auto at = owner.pending.begin(); at != owner.pending.end();) {
    at = at->second.operation->state == OperationState::kDone ? owner.pending.erase(at) : std::next(at);
  }
}

// (kind, group, send, receive, root) -> number
Napi::Value Post(const Args& args) {
  Engine& engine = OwnEngine(args);
  const Kind kind = static_cast<Kind>(args.Integer(0, "kind", 0, 5));
  Group& group = engine.group(static_cast<int>(args.Integer(1, "group", 0, kMostId)));
  Pending pending;
  pending.operation = Posting(args, group).Make(kind);
  for (const size_t index : {2, 3}) {
    const Napi::Value value = args.value(index);
    if (value.IsTypedArray()) pending.buffers.push_back(Napi::Persistent(value.As<Napi::Object>()));
  }
  Sweep();
  const OperationPtr operation = pending.operation;
  const int64_t id = ++owner.last_id;
  const auto [place, added] = owner.pending.emplace(id, std::move(pending));
  try {
    engine.Post(&group, operation);
  } catch (...) {
    owner.pending.erase(place);
    throw;
  }
  return Napi::Number::New(args.env(), static_cast<double>(id));
}

// (number, milliseconds) -> whether it is over; what is not known any more is
Napi::Value Await(const Args& args) {
  Engine& engine = OwnEngine(args);
  const auto found = owner.pending.find(args.Integer(0, "number", 1, int64_t{1} << 53));
  const int64_t slice = args.Integer(1, "milliseconds", 0, kMostMs);
  if (found == owner.pending.end()) return Napi::Boolean::New(args.env(), true);
  const Operation& operation = *found->second.operation;
  const bool done = slice > 0 ? engine.Await(operation, milliseconds(slice)) : engine.IsDone(operation);
  if (done) owner.pending.erase(found);
  return Napi::Boolean::New(args.env(), done);
}

// (callback): called some time after an announced operation is over; alone it doesn't keep the process alive
Napi::Value SetBell(const Args& args) {
  OwnEngine(args);
  const Napi::Env env = args.env();
  const Napi::Value callback = args.value(0);
  if (!callback.IsFunction()) args.Fail(ErrorCode::kArgument, "callback must be a function, got " + Describe(callback));
  napi_threadsafe_function function = nullptr;
  const napi_status status = napi_create_threadsafe_function(env, callback, nullptr, Napi::String::New(env, kName), 0, 1,
                                                             nullptr, TakeBack, nullptr, Answer, &function);
  if (status != napi_ok) args.Fail(ErrorCode::kInternal, "a function could not be given to another thread");
  napi_unref_threadsafe_function(env, function);
  std::lock_guard<std::mutex> lock(bell.mutex);
  bell.function = function;
  return env.Undefined();
}

// (number) -> whether the bell will ring for it; false when it is over
Napi::Value Announce(const Args& args) {
  Engine& engine = OwnEngine(args);
  const auto found = owner.pending.find(args.Integer(0, "number", 1, int64_t{1} << 53));
  const bool announced = found != owner.pending.end() && engine.Announce(found->second.operation.get());
  return Napi::Boolean::New(args.env(), announced);
}

// (whether the bell keeps the process alive)
Napi::Value Hold(const Args& args) {
  OwnEngine(args);
  std::lock_guard<std::mutex> lock(bell.mutex);
  if (bell.function) {
    const auto change = args.value(0).ToBoolean() ? napi_ref_threadsafe_function : napi_unref_threadsafe_function;
    change(args.env(), bell.function);
  }
  return args.env().Undefined();
}

Napi::Value Failed(const Args& args) { return Napi::Boolean::New(args.env(), OwnEngine(args).HasFailed()); }

Napi::Value BeginClose(const Args& args) {
  OwnEngine(args).BeginClose();
  return args.env().Undefined();
}

// (milliseconds) -> "open" while others have not closed, "parted" while MPI ends, "ended"
Napi::Value AwaitClose(const Args& args) {
  const Closing closing = OwnEngine(args).AwaitClose(milliseconds(args.Integer(0, "milliseconds", 0, kMostMs)));
  if (closing != Closing::kOpen) owner.pending.clear();
  const char* names[] = {"open", "parted", "ended"};
  return Napi::String::New(args.env(), names[static_cast<int>(closing)]);
}

template <Binding binding>
Napi::Value Call(const Napi::CallbackInfo& info) {
  return Guarded(info, kName, binding);
}

template <Binding binding>
void Register(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<Call<binding>>(exports.Env(), name));
}

}  // namespace

Napi::Object CommunicatorExports(Napi::Env env) {
  Napi::Object exports = Napi::Object::New(env);
  Register<Load>(exports, "load");
  Register<Start>(exports, "start");
  Register<AwaitStart>(exports, "awaitStart");
  Register<AddGroup>(exports, "addGroup");
  Register<BytesSent>(exports, "bytesSent");
  Register<Post>(exports, "post");
  Register<Await>(exports, "await");
  Register<SetBell>(exports, "setBell");
  Register<Announce>(exports, "announce");
  Register<Hold>(exports, "hold");
  Register<Failed>(exports, "failed");
  Register<BeginClose>(exports, "beginClose");
  Register<AwaitClose>(exports, "awaitClose");
  return exports;
}

}  // namespace cai
