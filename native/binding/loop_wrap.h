// One EventLoop on Node's libuv loop: an epoll descriptor inside a uv_poll_t, a prepare handle for
// what is written outside of a batch, a timer for deadlines, an idle handle to come back at once.
// Owns the order of the tick; everything about sockets is in native/core.
#pragma once

#include <node_api.h>
#include <uv.h>

#include <memory>

#include "../core/event_loop.h"
#include "js_call.h"

namespace sluice {

/** Kinds of crossings; lib/native/layout.ts says the same. */
enum CallKind : int32_t {
  kCallDeliver = 1,
  kCallCommit = 2,
  kCallBeforeFlush = 3,
  kCallClosed = 4,
};

class LoopWrap {
 public:
  static constexpr napi_type_tag kTypeTag = {0x5c1d1e0a4f7b4c11ULL, 0x9a52c0de10ef0001ULL};

  /** Defines the class NativeLoop. @returns nullptr after an exception */
  [[nodiscard]] static napi_value Define(napi_env env);

 private:
  LoopWrap(napi_env env, const SharedMemory& memory, bool poison)
      : env_(env), loop_(memory, poison) {}
  ~LoopWrap() = default;

  static napi_value JsConstruct(napi_env env, napi_callback_info info);
  static napi_value JsListen(napi_env env, napi_callback_info info);
  static napi_value JsListenPath(napi_env env, napi_callback_info info);
  static napi_value JsListenDescriptor(napi_env env, napi_callback_info info);
  static napi_value JsTuneListener(napi_env env, napi_callback_info info);
  static napi_value JsListenerName(napi_env env, napi_callback_info info);
  static napi_value JsListenerPort(napi_env env, napi_callback_info info);
  static napi_value JsCloseListener(napi_env env, napi_callback_info info);
  static napi_value JsAdopt(napi_env env, napi_callback_info info);
  static napi_value JsConnectionInfo(napi_env env, napi_callback_info info);
  static napi_value JsRequireProxyHeader(napi_env env, napi_callback_info info);
  static napi_value JsGuardListener(napi_env env, napi_callback_info info);
  static napi_value JsRefusalCounters(napi_env env, napi_callback_info info);
  static napi_value JsFlush(napi_env env, napi_callback_info info);
  static napi_value JsClose(napi_env env, napi_callback_info info);
  static napi_value JsOpenCount(napi_env env, napi_callback_info info);
  static napi_value JsSecureListener(napi_env env, napi_callback_info info);
  static napi_value JsSecureInfo(napi_env env, napi_callback_info info);
  static napi_value JsSecureCounts(napi_env env, napi_callback_info info);
  static napi_value JsReadCounters(napi_env env, napi_callback_info info);
  static void JsFinalize(napi_env env, void* data, void* hint);
  static LoopWrap* From(napi_env env, napi_callback_info info, struct Arguments* arguments);

  [[nodiscard]] napi_value Listened(int index);
  /** @returns 0, or a negative errno; on failure nothing is left behind. */
  [[nodiscard]] int Start();
  void StartHandles(uv_loop_t* uv);
  static void OnReadable(uv_poll_t* handle, int status, int events);
  static void OnPrepare(uv_prepare_t* handle);
  static void OnTimer(uv_timer_t* handle);
  static void OnIdle(uv_idle_t* handle);
  static void OnCleanup(napi_async_cleanup_hook_handle hook, void* data);
  static void OnHandleClosed(uv_handle_t* handle);

  void Tick();
  void FinishTick();
  /** The beforeFlush crossing, if asked for, and the flush. */
  void Flush();
  void ArmHandles();
  [[nodiscard]] bool Cross(CallKind kind);
  [[nodiscard]] int32_t Wants() const { return memory_header_[kHeaderWants]; }
  void CloseHandles();
  void HandlesClosed();

  static constexpr int kHandles = 4;

  napi_env env_;
  EventLoop loop_;
  int32_t* memory_header_ = nullptr;
  JsCallback callback_;
  napi_ref buffers_ = nullptr;
  napi_async_cleanup_hook_handle cleanup_hook_ = nullptr;
  uv_poll_t poll_;
  uv_prepare_t prepare_;
  uv_timer_t timer_;
  uv_idle_t idle_;
  uint64_t timer_at_ms_ = TimerWheel::kNever;
  int handles_open_ = 0;
  bool in_batch_ = false;
  /** JavaScript can no longer be called. */
  bool dead_ = false;
  bool closing_ = false;
  bool environment_ends_ = false;
  bool finalized_ = false;
  bool referenced_ = true;
};

}  // namespace sluice
