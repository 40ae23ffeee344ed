// NativeLoop's calls about listeners; see loop_wrap.h.
#include <cstring>
#include <iterator>
#include <tuple>
#include <utility>
#include <vector>

#include "arguments.h"
#include "loop_wrap.h"

namespace sluice {

namespace {
int Bounded(uint32_t backlog) {
  return static_cast<int>(backlog < kBacklogMax ? backlog : kBacklogMax);
}

enum class Reading { kDone, kThrown, kMalformed };

/** A set of blocks of 17 bytes each: bits, IPv6 address. */
Reading ReadBlocks(const Arguments& arguments, uint32_t at, const char* name, size_t blocks_max,
                   AddressBlocks* into) {
  uint8_t* bytes = nullptr;
  size_t length = 0;
  if (!RequireBytes(arguments, at, name, &bytes, &length)) return Reading::kThrown;
  constexpr size_t kBlockBytes = 1 + sizeof(AddressBytes);
  if (length % kBlockBytes != 0 || length / kBlockBytes > blocks_max) return Reading::kMalformed;
  std::vector<AddressBlock> blocks(length / kBlockBytes);
  for (AddressBlock& block : blocks) {
    block.bits = *bytes;
    if (block.bits > 8 * sizeof(block.address)) return Reading::kMalformed;
    std::memcpy(block.address.data(), bytes + 1, sizeof(block.address));
    bytes += kBlockBytes;
  }
  *into = AddressBlocks(blocks);
  return Reading::kDone;
}
}  // namespace

napi_value LoopWrap::Listened(int index) {
  if (!in_batch_) ArmHandles();
  return MakeInt32(env_, index);
}

// listen(host, port, backlog): a listener's index, or a negative errno.
napi_value LoopWrap::JsListen(napi_env env, napi_callback_info info) {
  Arguments arguments;
  LoopWrap* wrap = From(env, info, &arguments);
  if (wrap == nullptr) return nullptr;
  char host[64];
  size_t length = 0;
  uint32_t port = 0;
  uint32_t backlog = 0;
  if (!RequireLatin1(arguments, 0, "host", host, sizeof(host), &length) ||
      !RequireUint32(arguments, 1, "port", &port) ||
      !RequireUint32(arguments, 2, "backlog", &backlog)) {
    return nullptr;
  }
  if (wrap->closing_) return MakeInt32(env, -EBADF);
  return wrap->Listened(wrap->loop_.Listen(host, static_cast<uint16_t>(port), Bounded(backlog)));
}

// listenPath(path as bytes, mode or -1, backlog)
napi_value LoopWrap::JsListenPath(napi_env env, napi_callback_info info) {
  Arguments arguments;
  LoopWrap* wrap = From(env, info, &arguments);
  if (wrap == nullptr) return nullptr;
  uint8_t* bytes = nullptr;
  size_t length = 0;
  uint32_t mode = 0;
  uint32_t backlog = 0;
  if (!RequireBytes(arguments, 0, "path", &bytes, &length) ||
      !RequireUint32(arguments, 1, "mode", &mode) ||
      !RequireUint32(arguments, 2, "backlog", &backlog)) {
    return nullptr;
  }
  if (wrap->closing_) return MakeInt32(env, -EBADF);
  const std::string path(reinterpret_cast<const char*>(bytes), length);
  return wrap->Listened(wrap->loop_.ListenPath(path, static_cast<int>(mode), Bounded(backlog)));
}

// listenDescriptor(fd, exclusive)
napi_value LoopWrap::JsListenDescriptor(napi_env env, napi_callback_info info) {
  Arguments arguments;
  LoopWrap* wrap = From(env, info, &arguments);
  if (wrap == nullptr) return nullptr;
  uint32_t fd = 0;
  bool exclusive = false;
  if (!RequireUint32(arguments, 0, "fd", &fd) ||
      !RequireBoolean(arguments, 1, "exclusive", &exclusive)) {
    return nullptr;
  }
  if (wrap->closing_) return MakeInt32(env, -EBADF);
  return wrap->Listened(wrap->loop_.ListenDescriptor(static_cast<int>(fd), exclusive));
}

// tuneListener(index, notSentLowBytes, userTimeoutMs, keepAliveSeconds): 0 or a negative errno.
napi_value LoopWrap::JsTuneListener(napi_env env, napi_callback_info info) {
  Arguments arguments;
  LoopWrap* wrap = From(env, info, &arguments);
  uint32_t index = 0;
  AcceptedOptions options;
  if (wrap == nullptr || !RequireUint32(arguments, 0, "index", &index) ||
      !RequireUint32(arguments, 1, "notSentLowBytes", &options.not_sent_low_bytes) ||
      !RequireUint32(arguments, 2, "userTimeoutMs", &options.user_timeout_ms) ||
      !RequireUint32(arguments, 3, "keepAliveSeconds", &options.keep_alive_s)) {
    return nullptr;
  }
  return MakeInt32(env, wrap->loop_.TuneListener(index, options));
}

// listenerName(index): the numeric host, or the path of a Unix socket.
napi_value LoopWrap::JsListenerName(napi_env env, napi_callback_info info) {
  Arguments arguments;
  LoopWrap* wrap = From(env, info, &arguments);
  uint32_t index = 0;
  if (wrap == nullptr || !RequireUint32(arguments, 0, "index", &index)) return nullptr;
  SocketName name;
  const int error = wrap->loop_.ListenerName(index, &name);
  if (error != 0) return MakeInt32(env, error);
  napi_value result = nullptr;
  (void)napi_create_string_utf8(env, name.text, name.length, &result);
  return result;
}

napi_value LoopWrap::JsListenerPort(napi_env env, napi_callback_info info) {
  Arguments arguments;
  LoopWrap* wrap = From(env, info, &arguments);
  uint32_t index = 0;
  if (wrap == nullptr || !RequireUint32(arguments, 0, "index", &index)) return nullptr;
  return MakeInt32(env, wrap->loop_.ListenerPort(index));
}

napi_value LoopWrap::JsCloseListener(napi_env env, napi_callback_info info) {
  Arguments arguments;
  LoopWrap* wrap = From(env, info, &arguments);
  uint32_t index = 0;
  if (wrap == nullptr || !RequireUint32(arguments, 0, "index", &index)) return nullptr;
  wrap->loop_.CloseListener(index);
  if (!wrap->in_batch_) wrap->ArmHandles();
  return nullptr;
}

// requireProxyHeader(index, blocks): 0 or a negative errno. A block is 17 bytes: bits, IPv6
// address.
napi_value LoopWrap::JsRequireProxyHeader(napi_env env, napi_callback_info info) {
  Arguments arguments;
  LoopWrap* wrap = From(env, info, &arguments);
  uint32_t index = 0;
  AddressBlocks blocks;
  if (wrap == nullptr || !RequireUint32(arguments, 0, "index", &index)) return nullptr;
  const Reading reading = ReadBlocks(arguments, 1, "blocks", kProxyBlocksMax, &blocks);
  if (reading == Reading::kThrown) return nullptr;
  if (reading == Reading::kMalformed) return MakeInt32(env, -EINVAL);
  return MakeInt32(env, wrap->loop_.RequireProxyHeader(index, std::move(blocks)));
}

// guardListener(index, exempt, denied, namesAllowed, allowed): 0 or a negative errno; blocks as
// above.
napi_value LoopWrap::JsGuardListener(napi_env env, napi_callback_info info) {
  Arguments arguments;
  LoopWrap* wrap = From(env, info, &arguments);
  uint32_t index = 0;
  AddressGate gate;
  if (wrap == nullptr || !RequireUint32(arguments, 0, "index", &index) ||
      !RequireBoolean(arguments, 3, "namesAllowed", &gate.names_allowed)) {
    return nullptr;
  }
  for (const auto& [at, name, into] : {std::tuple{1U, "exempt", &gate.exempt},
                                       std::tuple{2U, "denied", &gate.denied},
                                       std::tuple{4U, "allowed", &gate.allowed}}) {
    const Reading reading = ReadBlocks(arguments, at, name, kGateBlocksMax, into);
    if (reading == Reading::kThrown) return nullptr;
    if (reading == Reading::kMalformed) return MakeInt32(env, -EINVAL);
  }
  return MakeInt32(env, wrap->loop_.GuardListener(index, std::move(gate)));
}

// refusalCounters(): [denied, untrusted, malformed, late]
napi_value LoopWrap::JsRefusalCounters(napi_env env, napi_callback_info info) {
  Arguments arguments;
  LoopWrap* wrap = From(env, info, &arguments);
  if (wrap == nullptr) return nullptr;
  const RefusalCounters& counters = wrap->loop_.refusal_counters();
  const uint32_t values[] = {counters.denied, counters.untrusted, counters.malformed,
                             counters.late};
  napi_value result = nullptr;
  if (napi_create_array_with_length(env, std::size(values), &result) != napi_ok) return nullptr;
  for (uint32_t i = 0; i < std::size(values); ++i) {
    napi_value value = nullptr;
    if (napi_create_uint32(env, values[i], &value) != napi_ok ||
        napi_set_element(env, result, i, value) != napi_ok) {
      return nullptr;
    }
  }
  return result;
}

}  // namespace sluice
