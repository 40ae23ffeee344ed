// Deflate streams for JavaScript: one crossing per message. The streams live in tables of the
// environment and are named by integers, so that a call unwraps nothing and a close frees at once;
// what is still open when the environment ends is freed with it.
//
// Ranges and flags of a call travel in an Int32Array that both sides see:
//
//   inflate  start end outStart outEnd flags mask -> consumed produced ascii
//   deflate  start end outStart outEnd flags           (of a text: end is the room that it needs at
//   most)
#pragma once

#include <node_api.h>

namespace sluice {

/** Sets `deflate` on the exports. @returns false after an exception, or when Node-API refuses */
[[nodiscard]] bool ExportDeflate(napi_env env, napi_value exports);

}  // namespace sluice
