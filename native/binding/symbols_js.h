// Asks the running program for symbols, before an addon that needs them is loaded.
#pragma once

#include <node_api.h>

namespace sluice {

/** missingSymbols(names): those of an array of names that dlsym(3) does not find, in order. */
napi_value JsMissingSymbols(napi_env env, napi_callback_info info);

}  // namespace sluice
