// See arguments.h.
#include "arguments.h"

#include <cstdio>

namespace sluice {

void ThrowType(napi_env env, const char* name, const char* expected) {
  char message[128];
  (void)std::snprintf(message, sizeof(message), "%s must be %s.", name, expected);
  (void)napi_throw_type_error(env, "ERR_ARG_TYPE", message);
}

napi_value MakeInt32(napi_env env, int32_t value) {
  napi_value result = nullptr;
  (void)napi_create_int32(env, value, &result);
  return result;
}

bool ReadArguments(napi_env env, napi_callback_info info, Arguments* arguments) {
  arguments->env = env;
  arguments->count = kArgumentsMax;
  return napi_get_cb_info(env, info, &arguments->count, arguments->values, &arguments->receiver,
                          &arguments->data) == napi_ok;
}

bool RequireUint32(const Arguments& arguments, size_t index, const char* name, uint32_t* value) {
  if (napi_get_value_uint32(arguments.env, arguments.values[index], value) == napi_ok) return true;
  ThrowType(arguments.env, name, "a number");
  return false;
}

bool RequireBoolean(const Arguments& arguments, size_t index, const char* name, bool* value) {
  if (napi_get_value_bool(arguments.env, arguments.values[index], value) == napi_ok) return true;
  ThrowType(arguments.env, name, "a boolean");
  return false;
}

bool RequireBytes(const Arguments& arguments, size_t index, const char* name, uint8_t** bytes,
                  size_t* length) {
  napi_typedarray_type type;
  void* memory = nullptr;
  const napi_status status = napi_get_typedarray_info(arguments.env, arguments.values[index], &type,
                                                      length, &memory, nullptr, nullptr);
  if (status == napi_ok && type == napi_uint8_array) {
    *bytes = static_cast<uint8_t*>(memory);
    return true;
  }
  ThrowType(arguments.env, name, "a Uint8Array");
  return false;
}

bool RequireInt32Array(const Arguments& arguments, size_t index, const char* name, int32_t** words,
                       size_t* length) {
  napi_typedarray_type type;
  void* memory = nullptr;
  const napi_status status = napi_get_typedarray_info(arguments.env, arguments.values[index], &type,
                                                      length, &memory, nullptr, nullptr);
  if (status == napi_ok && type == napi_int32_array) {
    *words = static_cast<int32_t*>(memory);
    return true;
  }
  ThrowType(arguments.env, name, "an Int32Array");
  return false;
}

bool RequireLatin1(const Arguments& arguments, size_t index, const char* name, char* into,
                   size_t capacity, size_t* length) {
  const napi_value value = arguments.values[index];
  size_t copied = 0;
  if (napi_get_value_string_latin1(arguments.env, value, into, capacity, &copied) == napi_ok) {
    *length = copied;
    return true;
  }
  ThrowType(arguments.env, name, "a string");
  return false;
}

bool RequireRange(const Arguments& arguments, size_t start_index, size_t length, uint32_t* start,
                  uint32_t* end) {
  if (!RequireUint32(arguments, start_index, "start", start)) return false;
  if (!RequireUint32(arguments, start_index + 1, "end", end)) return false;
  if (*start <= *end && *end <= length) return true;
  (void)napi_throw_range_error(arguments.env, "ERR_ARG_RANGE",
                               "start and end must lie inside the bytes.");
  return false;
}

void* UnwrapTagged(napi_env env, napi_value receiver, const napi_type_tag& tag) {
  bool matches = false;
  void* wrapped = nullptr;
  if (napi_check_object_type_tag(env, receiver, &tag, &matches) == napi_ok && matches &&
      napi_unwrap(env, receiver, &wrapped) == napi_ok) {
    return wrapped;
  }
  (void)napi_throw_type_error(env, "ERR_ILLEGAL_INVOCATION", "Illegal invocation.");
  return nullptr;
}

}  // namespace sluice
