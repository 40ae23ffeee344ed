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
/** prepareListener(fd): 0, or -errno for one that does not listen. */
napi_value JsPrepareListener(napi_env env, napi_callback_info info);
/** descriptorAddress(fd): what it is bound to, numeric or a path, or -errno. */
napi_value JsDescriptorAddress(napi_env env, napi_callback_info info);
/** sendDatagram(path, text): 0 or -errno. */
napi_value JsSendDatagram(napi_env env, napi_callback_info info);
/** openProcess(pid): a descriptor that is readable at its end, or -errno. */
napi_value JsOpenProcess(napi_env env, napi_callback_info info);
/** waitProcess(fd): exit code, 256 and a signal's number, or -errno. */
napi_value JsWaitProcess(napi_env env, napi_callback_info info);
/** replaceProgram(file, arguments, environment, kept): -errno, or never returns. */
napi_value JsReplaceProgram(napi_env env, napi_callback_info info);

}  // namespace sluice
