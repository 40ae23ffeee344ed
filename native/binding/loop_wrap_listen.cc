// NativeLoop's calls about listeners; see loop_wrap.h.
#include "arguments.h"
#include "loop_wrap.h"

namespace sluice {

namespace {
int Bounded(uint32_t backlog) {
  return static_cast<int>(backlog < kBacklogMax ? backlog : kBacklogMax);
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

}  // namespace sluice
