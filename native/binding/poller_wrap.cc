// See poller_wrap.h.
#include "poller_wrap.h"

#include <cerrno>

#include "arguments.h"

namespace sluice {

int PollerWrap::Start() {
  uv_loop_t* uv = nullptr;
  if (napi_get_uv_event_loop(env_, &uv) != napi_ok) return -EINVAL;
  int error = poller_.Open();
  if (error == 0) error = uv_poll_init(uv, &poll_, poller_.fd());
  if (error != 0) return error;
  poll_.data = this;
  (void)uv_poll_start(&poll_, UV_READABLE, OnReadable);
  uv_unref(reinterpret_cast<uv_handle_t*>(&poll_));
  // As in loop_wrap.cc: a plain cleanup hook that calls uv_close crashes worker threads.
  (void)napi_add_async_cleanup_hook(env_, OnCleanup, this, &cleanup_hook_);
  return 0;
}

void PollerWrap::OnReadable(uv_poll_t* handle, int, int) {
  static_cast<PollerWrap*>(handle->data)->Dispatch();
}

void PollerWrap::Dispatch() {
  // A callback that runs the loop must not find the records overwritten under it.
  if (in_batch_ || dead_ || closing_) return;
  const int count = poller_.Wait(ready_.data(), kEventsPerWaitMax);
  if (count <= 0) return;
  for (int i = 0; i < count; ++i) {
    records_[2 * i] = static_cast<int32_t>(ready_[static_cast<size_t>(i)].data.u64);
    records_[2 * i + 1] = static_cast<int32_t>(ready_[static_cast<size_t>(i)].events);
  }
  in_batch_ = true;
  if (!callback_.Call(env_, count)) dead_ = true;
  in_batch_ = false;
}

void PollerWrap::CloseHandle() {
  if (closing_) return;
  closing_ = true;
  (void)uv_poll_stop(&poll_);
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), OnHandleClosed);
}

void PollerWrap::OnCleanup(napi_async_cleanup_hook_handle, void* data) {
  auto* wrap = static_cast<PollerWrap*>(data);
  wrap->environment_ends_ = true;
  wrap->dead_ = true;
  wrap->CloseHandle();
}

void PollerWrap::OnHandleClosed(uv_handle_t* handle) {
  static_cast<PollerWrap*>(handle->data)->HandleClosed();
}

void PollerWrap::HandleClosed() {
  closed_ = true;
  poller_.Close();
  if (!environment_ends_) {
    callback_.Release(env_);
    if (buffer_ != nullptr) (void)napi_delete_reference(env_, buffer_);
  }
  (void)napi_remove_async_cleanup_hook(cleanup_hook_);
  if (finalized_) delete this;
}

PollerWrap* PollerWrap::From(napi_env env, napi_callback_info info, Arguments* arguments) {
  if (!ReadArguments(env, info, arguments)) return nullptr;
  return static_cast<PollerWrap*>(UnwrapTagged(env, arguments->receiver, kTypeTag));
}

// new NativePoller(records, { dispatch(count) })
napi_value PollerWrap::JsConstruct(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int32_t* records = nullptr;
  size_t length = 0;
  napi_value function = nullptr;
  napi_valuetype type = napi_undefined;
  if (!ReadArguments(env, info, &arguments) ||
      !RequireInt32Array(arguments, 0, "records", &records, &length)) {
    return nullptr;
  }
  if (length < 2 * kEventsPerWaitMax) {
    (void)napi_throw_range_error(env, "ERR_ARG_RANGE", "A shared array is too small.");
    return nullptr;
  }
  if (napi_get_named_property(env, arguments.values[1], "dispatch", &function) != napi_ok ||
      napi_typeof(env, function, &type) != napi_ok || type != napi_function) {
    ThrowType(env, "handler", "an object with dispatch");
    return nullptr;
  }
  auto* wrap = new PollerWrap(env);
  wrap->records_ = records;
  const int error = wrap->Start();
  if (error != 0) {
    delete wrap;
    (void)napi_throw_error(env, "ERR_SYSTEM", uv_strerror(error));
    return nullptr;
  }
  const bool bound =
      napi_wrap(env, arguments.receiver, wrap, JsFinalize, nullptr, nullptr) == napi_ok &&
      napi_type_tag_object(env, arguments.receiver, &kTypeTag) == napi_ok &&
      napi_create_reference(env, arguments.values[0], 1, &wrap->buffer_) == napi_ok &&
      wrap->callback_.Bind(env, arguments.values[1], function);
  if (!bound) {
    wrap->dead_ = true;
    wrap->CloseHandle();
    (void)napi_throw_error(env, "ERR_STATE", "The native poller could not be bound.");
    return nullptr;
  }
  return arguments.receiver;
}

void PollerWrap::JsFinalize(napi_env, void* data, void*) {
  auto* wrap = static_cast<PollerWrap*>(data);
  wrap->finalized_ = true;
  if (wrap->closed_) {
    delete wrap;
  } else {
    wrap->dead_ = true;
    wrap->CloseHandle();
  }
}

// add(fd, events, token): 0 or a negative errno.
napi_value PollerWrap::JsAdd(napi_env env, napi_callback_info info) {
  Arguments arguments;
  PollerWrap* wrap = From(env, info, &arguments);
  uint32_t fd = 0;
  uint32_t events = 0;
  uint32_t token = 0;
  if (wrap == nullptr || !RequireUint32(arguments, 0, "fd", &fd) ||
      !RequireUint32(arguments, 1, "events", &events) ||
      !RequireUint32(arguments, 2, "token", &token)) {
    return nullptr;
  }
  if (wrap->closing_) return MakeInt32(env, -ECANCELED);
  return MakeInt32(env, wrap->poller_.Add(static_cast<int>(fd), events, token));
}

// modify(fd, events, token): 0 or a negative errno.
napi_value PollerWrap::JsModify(napi_env env, napi_callback_info info) {
  Arguments arguments;
  PollerWrap* wrap = From(env, info, &arguments);
  uint32_t fd = 0;
  uint32_t events = 0;
  uint32_t token = 0;
  if (wrap == nullptr || !RequireUint32(arguments, 0, "fd", &fd) ||
      !RequireUint32(arguments, 1, "events", &events) ||
      !RequireUint32(arguments, 2, "token", &token)) {
    return nullptr;
  }
  if (wrap->closing_) return MakeInt32(env, -ECANCELED);
  return MakeInt32(env, wrap->poller_.Modify(static_cast<int>(fd), events, token));
}

napi_value PollerWrap::JsRemove(napi_env env, napi_callback_info info) {
  Arguments arguments;
  PollerWrap* wrap = From(env, info, &arguments);
  uint32_t fd = 0;
  if (wrap == nullptr || !RequireUint32(arguments, 0, "fd", &fd)) return nullptr;
  if (!wrap->closing_) wrap->poller_.Remove(static_cast<int>(fd));
  return nullptr;
}

// keepAlive(yes): whether the loop waits for it.
napi_value PollerWrap::JsKeepAlive(napi_env env, napi_callback_info info) {
  Arguments arguments;
  PollerWrap* wrap = From(env, info, &arguments);
  bool yes = false;
  if (wrap == nullptr || !RequireBoolean(arguments, 0, "yes", &yes)) return nullptr;
  if (wrap->closing_) return nullptr;
  auto* handle = reinterpret_cast<uv_handle_t*>(&wrap->poll_);
  if (yes) {
    uv_ref(handle);
  } else {
    uv_unref(handle);
  }
  return nullptr;
}

napi_value PollerWrap::JsClose(napi_env env, napi_callback_info info) {
  Arguments arguments;
  PollerWrap* wrap = From(env, info, &arguments);
  if (wrap != nullptr) wrap->CloseHandle();
  return nullptr;
}

napi_value PollerWrap::Define(napi_env env) {
  const napi_property_descriptor methods[] = {
      {"add", nullptr, JsAdd, nullptr, nullptr, nullptr, napi_default_method, nullptr},
      {"modify", nullptr, JsModify, nullptr, nullptr, nullptr, napi_default_method, nullptr},
      {"remove", nullptr, JsRemove, nullptr, nullptr, nullptr, napi_default_method, nullptr},
      {"keepAlive", nullptr, JsKeepAlive, nullptr, nullptr, nullptr, napi_default_method, nullptr},
      {"close", nullptr, JsClose, nullptr, nullptr, nullptr, napi_default_method, nullptr},
  };
  napi_value result = nullptr;
  (void)napi_define_class(env, "NativePoller", NAPI_AUTO_LENGTH, JsConstruct, nullptr,
                          sizeof(methods) / sizeof(methods[0]), methods, &result);
  return result;
}

}  // namespace sluice
