// Functions on ranges of bytes that are worth a call from JavaScript: unmasking,
// signatures, files in the page cache.
#pragma once

#include <node_api.h>

namespace sluice {

/** unmask(bytes, start, end, mask): true if the result is ASCII. */
napi_value JsUnmask(napi_env env, napi_callback_info info);
/** scanFrames(bytes, start, end): bytes of the simple frames, see frame_scan.h. */
napi_value JsScanFrames(napi_env env, napi_callback_info info);
/** readCached(bytes, start, end, fd, positionHigh, positionLow): see file_read.h. */
napi_value JsReadCached(napi_env env, napi_callback_info info);
/** keepFreedMemory(): see the implementation. */
napi_value JsKeepFreedMemory(napi_env env, napi_callback_info info);

/** Defines the class HmacKey. @returns nullptr after an exception */
[[nodiscard]] napi_value DefineHmacKey(napi_env env);

}  // namespace sluice
