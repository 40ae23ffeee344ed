// The entry of the second addon: what stands on the zlib and the OpenSSL that Node exports. It is
// loaded on demand, after missingSymbols() of the first addon has found all that it needs. No
// process-wide variables, since several worker threads load it.
#include <node_api.h>
#include <zlib.h>

#include "deflate_js.h"
#include "tls_context_js.h"

namespace sluice {

namespace {

bool ExportString(napi_env env, napi_value exports, const char* name, const char* text) {
  napi_value value;
  return napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value) == napi_ok &&
         napi_set_named_property(env, exports, name, value) == napi_ok;
}

}  // namespace

napi_value InitializeCodec(napi_env env, napi_value exports) {
  const bool complete = ExportString(env, exports, "zlibVersion", zlibVersion()) &&
                        ExportDeflate(env, exports) && ExportTls(env, exports);
  if (!complete) (void)napi_throw_error(env, "ERR_STATE", "The addon could not be initialized.");
  return exports;
}

}  // namespace sluice

NAPI_MODULE_INIT() {
  return sluice::InitializeCodec(env, exports);
}
