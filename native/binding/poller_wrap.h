// One epoll instance for descriptors of the user's, on Node's libuv loop: its own descriptor inside
// a uv_poll_t. A wake-up takes what is ready once, and one crossing tells all of it; which callback
// an event belongs to, and whether it is still wanted, is JavaScript's to know.
#pragma once

#include <node_api.h>
#include <uv.h>

#include <array>
#include <cstdint>

#include "../core/limits.h"
#include "../core/poller.h"
#include "js_call.h"

namespace sluice {

class PollerWrap {
 public:
  static constexpr napi_type_tag kTypeTag = {0x5c1d1e0a4f7b4c11ULL, 0x9a52c0de10ef0003ULL};

  /** Defines the class NativePoller. @returns nullptr after an exception */
  [[nodiscard]] static napi_value Define(napi_env env);

 private:
  explicit PollerWrap(napi_env env) : env_(env) {}
  ~PollerWrap() = default;

  static napi_value JsConstruct(napi_env env, napi_callback_info info);
  static napi_value JsAdd(napi_env env, napi_callback_info info);
  static napi_value JsModify(napi_env env, napi_callback_info info);
  static napi_value JsRemove(napi_env env, napi_callback_info info);
  static napi_value JsKeepAlive(napi_env env, napi_callback_info info);
  static napi_value JsClose(napi_env env, napi_callback_info info);
  static void JsFinalize(napi_env env, void* data, void* hint);
  static PollerWrap* From(napi_env env, napi_callback_info info, struct Arguments* arguments);

  [[nodiscard]] int Start();
  static void OnReadable(uv_poll_t* handle, int status, int events);
  static void OnCleanup(napi_async_cleanup_hook_handle hook, void* data);
  static void OnHandleClosed(uv_handle_t* handle);
  void Dispatch();
  void CloseHandle();
  void HandleClosed();

  napi_env env_;
  Poller poller_;
  /** Borrowed from JavaScript, which keeps it alive: token and events, in turn. */
  int32_t* records_ = nullptr;
  std::array<epoll_event, kEventsPerWaitMax> ready_;
  JsCallback callback_;
  napi_ref buffer_ = nullptr;
  napi_async_cleanup_hook_handle cleanup_hook_ = nullptr;
  uv_poll_t poll_;
  bool in_batch_ = false;
  /** JavaScript can no longer be called. */
  bool dead_ = false;
  bool closing_ = false;
  bool closed_ = false;
  bool environment_ends_ = false;
  bool finalized_ = false;
};

}  // namespace sluice
