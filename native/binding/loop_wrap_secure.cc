// NativeLoop's calls about encrypted connections; see loop_wrap.h. The contexts come from the
// second addon, wrapped in objects of its own.
#include <vector>

#include "arguments.h"
#include "loop_wrap.h"

namespace sluice {

namespace {

constexpr napi_type_tag kContextTag = {kSecureContextTagLow, kSecureContextTagHigh};

bool SetText(napi_env env, napi_value object, const char* name, const char* text) {
  napi_value value;
  return napi_create_string_latin1(env, text, NAPI_AUTO_LENGTH, &value) == napi_ok &&
         napi_set_named_property(env, object, name, value) == napi_ok;
}

bool SetBoolean(napi_env env, napi_value object, const char* name, bool truth) {
  napi_value value;
  return napi_get_boolean(env, truth, &value) == napi_ok &&
         napi_set_named_property(env, object, name, value) == napi_ok;
}

bool SetNumber(napi_env env, napi_value object, const char* name, uint64_t number) {
  napi_value value;
  return napi_create_double(env, static_cast<double>(number), &value) == napi_ok &&
         napi_set_named_property(env, object, name, value) == napi_ok;
}

bool SetCertificate(napi_env env, napi_value object, const SecureChannel& channel) {
  const uint32_t length = channel.PeerCertificate(nullptr, 0);
  if (length == 0) return true;
  std::vector<uint8_t> certificate(length);
  if (channel.PeerCertificate(certificate.data(), length) != length) return false;
  napi_value value;
  return napi_create_buffer_copy(env, length, certificate.data(), nullptr, &value) == napi_ok &&
         napi_set_named_property(env, object, "certificate", value) == napi_ok;
}

}  // namespace

// secureListener(index, context, handshakeTimeoutMs, handshakesMax): 0 or a negative errno.
napi_value LoopWrap::JsSecureListener(napi_env env, napi_callback_info info) {
  Arguments arguments;
  LoopWrap* wrap = From(env, info, &arguments);
  if (wrap == nullptr) return nullptr;
  uint32_t index = 0;
  uint32_t timeout_ms = 0;
  uint32_t handshakes_max = 0;
  if (!RequireUint32(arguments, 0, "index", &index) ||
      !RequireUint32(arguments, 2, "handshakeTimeoutMs", &timeout_ms) ||
      !RequireUint32(arguments, 3, "handshakesMax", &handshakes_max)) {
    return nullptr;
  }
  void* context = UnwrapTagged(env, arguments.values[1], kContextTag);
  if (context == nullptr) return nullptr;
  if (wrap->closing_) return MakeInt32(env, -EBADF);
  return MakeInt32(env, wrap->loop_.SecureListener(index, static_cast<SecureContext*>(context),
                                                   timeout_ms, handshakes_max));
}

// secureInfo(slot, generation): what was agreed on, or null for a connection that is gone or plain.
napi_value LoopWrap::JsSecureInfo(napi_env env, napi_callback_info info) {
  Arguments arguments;
  LoopWrap* wrap = From(env, info, &arguments);
  if (wrap == nullptr) return nullptr;
  uint32_t slot = 0;
  uint32_t generation = 0;
  if (!RequireUint32(arguments, 0, "slot", &slot) ||
      !RequireUint32(arguments, 1, "generation", &generation)) {
    return nullptr;
  }
  const SecureChannel* channel = wrap->loop_.ChannelOf(slot, generation);
  napi_value result = nullptr;
  if (channel == nullptr) {
    (void)napi_get_null(env, &result);
    return result;
  }
  SecureDescription description;
  channel->Describe(&description);
  const bool complete =
      napi_create_object(env, &result) == napi_ok &&
      SetText(env, result, "protocol", description.protocol) &&
      SetText(env, result, "cipher", description.cipher) &&
      SetText(env, result, "applicationProtocol", description.application_protocol) &&
      SetText(env, result, "serverName", description.server_name) &&
      SetText(env, result, "reason", description.reason) &&
      SetBoolean(env, result, "resumed", description.resumed) &&
      SetBoolean(env, result, "authorized", description.authorized) &&
      SetCertificate(env, result, *channel);
  return complete ? result : nullptr;
}

// secureCounts(): handshakes so far, by how they ended.
napi_value LoopWrap::JsSecureCounts(napi_env env, napi_callback_info info) {
  Arguments arguments;
  LoopWrap* wrap = From(env, info, &arguments);
  if (wrap == nullptr) return nullptr;
  const SecureCounts& counts = wrap->loop_.secure_counts();
  napi_value result = nullptr;
  const bool complete = napi_create_object(env, &result) == napi_ok &&
                        SetNumber(env, result, "completed", counts.completed) &&
                        SetNumber(env, result, "failed", counts.failed) &&
                        SetNumber(env, result, "timedOut", counts.timed_out) &&
                        SetNumber(env, result, "crowded", counts.crowded);
  return complete ? result : nullptr;
}

}  // namespace sluice
