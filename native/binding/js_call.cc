// See js_call.h.
#include "js_call.h"

namespace sluice {

bool JsCallback::Bind(napi_env env, napi_value receiver, napi_value function) {
  napi_value name;
  return napi_create_string_utf8(env, "sluice", NAPI_AUTO_LENGTH, &name) == napi_ok &&
         napi_async_init(env, receiver, name, &context_) == napi_ok &&
         napi_create_reference(env, receiver, 1, &receiver_) == napi_ok &&
         napi_create_reference(env, function, 1, &function_) == napi_ok;
}

void JsCallback::Release(napi_env env) {
  if (receiver_ != nullptr) (void)napi_delete_reference(env, receiver_);
  if (function_ != nullptr) (void)napi_delete_reference(env, function_);
  if (context_ != nullptr) (void)napi_async_destroy(env, context_);
  receiver_ = nullptr;
  function_ = nullptr;
  context_ = nullptr;
}

bool JsCallback::Call(napi_env env, int32_t kind) const {
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return false;
  napi_value receiver;
  napi_value function;
  napi_value argument;
  napi_status status = napi_get_reference_value(env, receiver_, &receiver);
  if (status == napi_ok) status = napi_get_reference_value(env, function_, &function);
  if (status == napi_ok) status = napi_create_int32(env, kind, &argument);
  if (status == napi_ok) {
    napi_value result;
    status = napi_make_callback(env, context_, receiver, function, 1, &argument, &result);
  }
  bool usable = status == napi_ok;
  bool pending = false;
  if (!usable && napi_is_exception_pending(env, &pending) == napi_ok && pending) {
    napi_value error;
    if (napi_get_and_clear_last_exception(env, &error) == napi_ok) {
      usable = napi_fatal_exception(env, error) == napi_ok;
    }
  }
  (void)napi_close_handle_scope(env, scope);
  return usable;
}

}  // namespace sluice
