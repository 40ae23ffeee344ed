// The only place that calls back into JavaScript: raw napi_make_callback, since the C++ wrapper
// aborts on `throw null`. Runs nextTicks and microtasks before it returns.
#pragma once

#include <node_api.h>

#include <cstdint>

namespace sluice {

class JsCallback {
 public:
  /** Keeps `receiver` and `function` alive until Release. @returns false if Node-API refuses */
  [[nodiscard]] bool Bind(napi_env env, napi_value receiver, napi_value function);
  void Release(napi_env env);

  /**
   * Calls function(kind). What it throws becomes an uncaughtException.
   * @returns false when JavaScript can no longer be called: do not touch it again
   */
  [[nodiscard]] bool Call(napi_env env, int32_t kind) const;

 private:
  napi_ref receiver_ = nullptr;
  napi_ref function_ = nullptr;
  napi_async_context context_ = nullptr;
};

}  // namespace sluice
