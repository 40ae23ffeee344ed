// See symbols_js.h. glibc binds lazily: an addon whose symbols are missing would load and end the
// process at the first call; musl would refuse it. So they are looked for one by one.
#include "symbols_js.h"

#include <dlfcn.h>

#include "arguments.h"

namespace sluice {

namespace {

constexpr size_t kSymbolLengthMax = 127;

/** @returns false after an exception */
bool IsMissing(napi_env env, napi_value name, bool* is_missing) {
  char symbol[kSymbolLengthMax + 1];
  size_t length = 0;
  if (napi_get_value_string_latin1(env, name, symbol, sizeof(symbol), &length) != napi_ok) {
    ThrowType(env, "names", "an array of strings");
    return false;
  }
  *is_missing = dlsym(RTLD_DEFAULT, symbol) == nullptr;
  return true;
}

}  // namespace

napi_value JsMissingSymbols(napi_env env, napi_callback_info info) {
  Arguments arguments;
  if (!ReadArguments(env, info, &arguments)) return nullptr;
  uint32_t count = 0;
  if (napi_get_array_length(env, arguments.values[0], &count) != napi_ok) {
    ThrowType(env, "names", "an array of strings");
    return nullptr;
  }
  napi_value missing;
  uint32_t found = 0;
  if (napi_create_array(env, &missing) != napi_ok) return nullptr;
  for (uint32_t i = 0; i < count; ++i) {
    napi_value name;
    bool is_missing = false;
    if (napi_get_element(env, arguments.values[0], i, &name) != napi_ok) return nullptr;
    if (!IsMissing(env, name, &is_missing)) return nullptr;
    if (is_missing && napi_set_element(env, missing, found++, name) != napi_ok) return nullptr;
  }
  return missing;
}

}  // namespace sluice
