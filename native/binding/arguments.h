// Reads arguments of calls from JavaScript. Types only: ranges and defaults are JavaScript's work.
// Every function returns false after it has thrown a TypeError with the code ERR_ARG_TYPE.
#pragma once

#include <node_api.h>

#include <cstdint>

namespace sluice {

inline constexpr size_t kArgumentsMax = 8;

struct Arguments {
  napi_env env;
  napi_value receiver;
  napi_value values[kArgumentsMax];
  size_t count;
  void* data;
};

[[nodiscard]] bool ReadArguments(napi_env env, napi_callback_info info, Arguments* arguments);

[[nodiscard]] bool RequireUint32(const Arguments& arguments, size_t index, const char* name,
                                 uint32_t* value);
[[nodiscard]] bool RequireBoolean(const Arguments& arguments, size_t index, const char* name,
                                  bool* value);
[[nodiscard]] bool RequireBytes(const Arguments& arguments, size_t index, const char* name,
                                uint8_t** bytes, size_t* length);
[[nodiscard]] bool RequireInt32Array(const Arguments& arguments, size_t index, const char* name,
                                     int32_t** words, size_t* length);
/** Copies at most capacity - 1 characters; `length` tells how many there are. */
[[nodiscard]] bool RequireLatin1(const Arguments& arguments, size_t index, const char* name,
                                 char* into, size_t capacity, size_t* length);
/** [start, end) must lie inside the bytes, or ERR_ARG_RANGE is thrown. */
[[nodiscard]] bool RequireRange(const Arguments& arguments, size_t start_index, size_t length,
                                uint32_t* start, uint32_t* end);

[[nodiscard]] napi_value MakeInt32(napi_env env, int32_t value);

void ThrowType(napi_env env, const char* name, const char* expected);

/** The object behind the receiver, if it carries the tag; else throws ERR_ILLEGAL_INVOCATION. */
[[nodiscard]] void* UnwrapTagged(napi_env env, napi_value receiver, const napi_type_tag& tag);

}  // namespace sluice
