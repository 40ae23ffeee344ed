// What a supervisor and its workers need of the system beside a loop; see core/process_ops.h.
#pragma once

#include <node_api.h>

namespace sluice {

/** openListener(host, port, backlog): a descriptor that listens and that nobody polls, or -errno.
 */
napi_value JsOpenListener(napi_env env, napi_callback_info info);
/** openPathListener(path, mode, backlog): the same for a Unix socket; the caller unlinks its file.
 */
napi_value JsOpenPathListener(napi_env env, napi_callback_info info);
/** descriptorPort(fd): 0 for a Unix socket. */
napi_value JsDescriptorPort(napi_env env, napi_callback_info info);
napi_value JsDuplicateDescriptor(napi_env env, napi_callback_info info);
/** openLocked(path): a descriptor, or -errno. */
napi_value JsOpenLocked(napi_env env, napi_callback_info info);
/** connectPath(path): a descriptor, or -errno. */
napi_value JsConnectPath(napi_env env, napi_callback_info info);
/** reapChild(pid): the pid when it had ended, 0 when it lives, or -errno. */
napi_value JsReapChild(napi_env env, napi_callback_info info);

}  // namespace sluice
