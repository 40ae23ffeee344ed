// See process_js.h.
#include "process_js.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "../core/listen_ops.h"
#include "../core/process_ops.h"
#include "arguments.h"

namespace sluice {

namespace {

/** Room for the longest numeric address. */
constexpr size_t kHostCapacity = 64;

bool RequireText(const Arguments& arguments, size_t index, const char* name, std::string* text) {
  uint8_t* bytes = nullptr;
  size_t length = 0;
  if (!RequireBytes(arguments, index, name, &bytes, &length)) return false;
  text->assign(reinterpret_cast<const char*>(bytes), length);
  return true;
}

bool RequirePath(const Arguments& arguments, std::string* path) {
  return RequireText(arguments, 0, "path", path);
}

/** Texts that each end with a zero byte. */
bool RequireTexts(const Arguments& arguments, size_t index, const char* name,
                  std::vector<std::string>* texts) {
  std::string joined;
  if (!RequireText(arguments, index, name, &joined)) return false;
  for (size_t at = 0; at < joined.size();) {
    const size_t end = std::min(joined.find('\0', at), joined.size());
    texts->push_back(joined.substr(at, end - at));
    at = end + 1;
  }
  return true;
}

/** Reads the one number of a call. */
bool ReadNumber(napi_env env, napi_callback_info info, const char* name, int* number) {
  Arguments arguments;
  uint32_t value = 0;
  if (!ReadArguments(env, info, &arguments)) return false;
  if (!RequireUint32(arguments, 0, name, &value)) return false;
  *number = static_cast<int>(value);
  return true;
}

}  // namespace

napi_value JsOpenListener(napi_env env, napi_callback_info info) {
  Arguments arguments;
  char host[kHostCapacity];
  size_t length = 0;
  uint32_t port = 0;
  uint32_t backlog = 0;
  if (!ReadArguments(env, info, &arguments)) return nullptr;
  if (!RequireLatin1(arguments, 0, "host", host, sizeof(host), &length)) return nullptr;
  if (!RequireUint32(arguments, 1, "port", &port)) return nullptr;
  if (!RequireUint32(arguments, 2, "backlog", &backlog)) return nullptr;
  return MakeInt32(env, ListenOn(host, static_cast<uint16_t>(port), static_cast<int>(backlog)));
}

napi_value JsOpenPathListener(napi_env env, napi_callback_info info) {
  Arguments arguments;
  std::string path;
  uint32_t mode = 0;
  uint32_t backlog = 0;
  if (!ReadArguments(env, info, &arguments) || !RequirePath(arguments, &path)) return nullptr;
  if (!RequireUint32(arguments, 1, "mode", &mode)) return nullptr;
  if (!RequireUint32(arguments, 2, "backlog", &backlog)) return nullptr;
  SocketFile file;
  return MakeInt32(env,
                   ListenOnPath(path, static_cast<int>(mode), static_cast<int>(backlog), &file));
}

napi_value JsDescriptorPort(napi_env env, napi_callback_info info) {
  int fd = 0;
  if (!ReadNumber(env, info, "fd", &fd)) return nullptr;
  SocketName name;
  const int error = LocalName(fd, &name);
  return MakeInt32(env, error != 0 ? error : name.port);
}

napi_value JsDuplicateDescriptor(napi_env env, napi_callback_info info) {
  int fd = 0;
  if (!ReadNumber(env, info, "fd", &fd)) return nullptr;
  return MakeInt32(env, DuplicateDescriptor(fd));
}

napi_value JsOpenLocked(napi_env env, napi_callback_info info) {
  Arguments arguments;
  std::string path;
  if (!ReadArguments(env, info, &arguments) || !RequirePath(arguments, &path)) return nullptr;
  return MakeInt32(env, OpenLocked(path));
}

napi_value JsConnectPath(napi_env env, napi_callback_info info) {
  Arguments arguments;
  std::string path;
  if (!ReadArguments(env, info, &arguments) || !RequirePath(arguments, &path)) return nullptr;
  return MakeInt32(env, ConnectPath(path));
}

napi_value JsReapChild(napi_env env, napi_callback_info info) {
  int pid = 0;
  if (!ReadNumber(env, info, "pid", &pid)) return nullptr;
  return MakeInt32(env, ReapChild(pid));
}

napi_value JsPrepareListener(napi_env env, napi_callback_info info) {
  int fd = 0;
  if (!ReadNumber(env, info, "fd", &fd)) return nullptr;
  return MakeInt32(env, PrepareListener(fd));
}

napi_value JsDescriptorAddress(napi_env env, napi_callback_info info) {
  int fd = 0;
  if (!ReadNumber(env, info, "fd", &fd)) return nullptr;
  SocketName name;
  const int error = LocalName(fd, &name);
  if (error != 0) return MakeInt32(env, error);
  napi_value text = nullptr;
  return napi_create_string_utf8(env, name.text, name.length, &text) == napi_ok ? text : nullptr;
}

napi_value JsSendDatagram(napi_env env, napi_callback_info info) {
  Arguments arguments;
  std::string path;
  std::string text;
  if (!ReadArguments(env, info, &arguments) || !RequirePath(arguments, &path)) return nullptr;
  if (!RequireText(arguments, 1, "text", &text)) return nullptr;
  return MakeInt32(env, SendDatagram(path, text));
}

napi_value JsOpenProcess(napi_env env, napi_callback_info info) {
  int pid = 0;
  if (!ReadNumber(env, info, "pid", &pid)) return nullptr;
  return MakeInt32(env, OpenProcess(pid));
}

napi_value JsWaitProcess(napi_env env, napi_callback_info info) {
  int fd = 0;
  if (!ReadNumber(env, info, "fd", &fd)) return nullptr;
  return MakeInt32(env, WaitProcess(fd));
}

napi_value JsReplaceProgram(napi_env env, napi_callback_info info) {
  Arguments arguments;
  std::string file;
  std::vector<std::string> program;
  std::vector<std::string> environment;
  int32_t* kept = nullptr;
  size_t count = 0;
  if (!ReadArguments(env, info, &arguments)) return nullptr;
  if (!RequireText(arguments, 0, "file", &file)) return nullptr;
  if (!RequireTexts(arguments, 1, "arguments", &program)) return nullptr;
  if (!RequireTexts(arguments, 2, "environment", &environment)) return nullptr;
  if (!RequireInt32Array(arguments, 3, "kept", &kept, &count)) return nullptr;
  const std::vector<int> descriptors(kept, kept + count);
  return MakeInt32(env, ReplaceProgram(file, program, environment, descriptors));
}

}  // namespace sluice
