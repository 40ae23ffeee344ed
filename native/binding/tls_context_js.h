// The class TlsContext of the second addon: certificates and settings for the listeners of a loop.
#pragma once

#include <node_api.h>

namespace sluice {

/** Adds TlsContext and tlsLiveCounts to the exports. @returns false if Node-API refuses */
[[nodiscard]] bool ExportTls(napi_env env, napi_value exports);

}  // namespace sluice
