// See tls_context_js.h. Faults are thrown with a code and OpenSSL's reason; which option they are
// about is JavaScript's to say.
#include "tls_context_js.h"

#include <string>

#include "../core/tls_context.h"
#include "../core/tls_live.h"
#include "arguments.h"

namespace sluice {

namespace {

constexpr napi_type_tag kContextTag = {kSecureContextTagLow, kSecureContextTagHigh};

/** @returns false after an exception, if there is a fault */
bool Succeeded(napi_env env, const TlsFault& fault) {
  const char* code = nullptr;
  switch (fault.kind) {
    case TlsFaultKind::kNone:
      return true;
    case TlsFaultKind::kCertificate:
      code = "ERR_TLS_CERTIFICATE";
      break;
    case TlsFaultKind::kKey:
      code = "ERR_TLS_KEY";
      break;
    case TlsFaultKind::kSetting:
      code = "ERR_TLS_SETTING";
      break;
  }
  (void)napi_throw_error(env, code, fault.reason);
  return false;
}

bool ReadText(const Arguments& arguments, size_t index, const char* name, std::string* text) {
  uint8_t* bytes = nullptr;
  size_t length = 0;
  if (!RequireBytes(arguments, index, name, &bytes, &length)) return false;
  text->assign(reinterpret_cast<const char*>(bytes), length);
  return true;
}

bool ReadBytes(const Arguments& arguments, size_t index, const char* name, TlsBytes* bytes) {
  uint8_t* start = nullptr;
  if (!RequireBytes(arguments, index, name, &start, &bytes->length)) return false;
  bytes->bytes = start;
  return true;
}

/** What a context's object wraps is what the first addon takes out of it: a SecureContext. */
TlsContext* ContextOf(napi_env env, napi_value object) {
  void* wrapped = UnwrapTagged(env, object, kContextTag);
  return static_cast<TlsContext*>(static_cast<SecureContext*>(wrapped));
}

void FinalizeContext(napi_env, void* data, void*) {
  static_cast<SecureContext*>(data)->Release();
}

bool ReadSettings(const Arguments& arguments, TlsSettings* settings) {
  uint32_t mode = 0;
  uint32_t version_min = 0;
  uint32_t version_max = 0;
  if (!RequireUint32(arguments, 0, "clientCertificate", &mode) ||
      !RequireUint32(arguments, 1, "versionMin", &version_min) ||
      !RequireUint32(arguments, 2, "versionMax", &version_max) ||
      !ReadText(arguments, 3, "ciphers", &settings->ciphers) ||
      !ReadText(arguments, 4, "suites", &settings->suites) ||
      !RequireUint32(arguments, 5, "ticketLifetimeS", &settings->ticket_lifetime_s)) {
    return false;
  }
  const auto least = static_cast<uint32_t>(TLS1_2_VERSION);
  const auto most = static_cast<uint32_t>(TLS1_3_VERSION);
  if (mode > static_cast<uint32_t>(ClientCertificate::kRequire) || version_min < least ||
      version_min > version_max || version_max > most) {
    (void)napi_throw_range_error(arguments.env, "ERR_ARG_RANGE", "A setting is out of range.");
    return false;
  }
  settings->client_certificate = static_cast<ClientCertificate>(mode);
  settings->version_min = static_cast<int>(version_min);
  settings->version_max = static_cast<int>(version_max);
  return true;
}

// new TlsContext(clientCertificate, versionMin, versionMax, ciphers, suites, ticketLifetimeS,
//                authorities, before): `before` may be undefined.
napi_value JsConstruct(napi_env env, napi_callback_info info) {
  Arguments arguments;
  TlsSettings settings;
  TlsBytes authorities;
  napi_valuetype type = napi_undefined;
  if (!ReadArguments(env, info, &arguments) || !ReadSettings(arguments, &settings) ||
      !ReadBytes(arguments, 6, "authorities", &authorities) ||
      napi_typeof(env, arguments.values[7], &type) != napi_ok) {
    return nullptr;
  }
  const TlsContext* before = nullptr;
  if (type != napi_undefined) {
    before = ContextOf(env, arguments.values[7]);
    if (before == nullptr) return nullptr;
  }
  TlsContext* context = TlsContext::Create(settings, before);
  const bool bound = Succeeded(env, context->Prepare(authorities)) &&
                     napi_wrap(env, arguments.receiver, static_cast<SecureContext*>(context),
                               FinalizeContext, nullptr, nullptr) == napi_ok;
  if (!bound) {
    context->Release();
    return nullptr;
  }
  (void)napi_type_tag_object(env, arguments.receiver, &kContextTag);
  return arguments.receiver;
}

// addIdentity(name, chain, key, passphrase), all as bytes; an empty name is the default.
napi_value JsAddIdentity(napi_env env, napi_callback_info info) {
  Arguments arguments;
  if (!ReadArguments(env, info, &arguments)) return nullptr;
  TlsContext* context = ContextOf(env, arguments.receiver);
  if (context == nullptr) return nullptr;
  std::string name;
  TlsBytes chain;
  TlsBytes key;
  TlsBytes passphrase;
  if (ReadText(arguments, 0, "name", &name) && ReadBytes(arguments, 1, "chain", &chain) &&
      ReadBytes(arguments, 2, "key", &key) && ReadBytes(arguments, 3, "passphrase", &passphrase)) {
    (void)Succeeded(env, context->AddIdentity(name, chain, key, passphrase));
  }
  return nullptr;
}

bool SetCount(napi_env env, napi_value object, const char* name, int64_t count) {
  napi_value value;
  return napi_create_int64(env, count, &value) == napi_ok &&
         napi_set_named_property(env, object, name, value) == napi_ok;
}

// tlsLiveCounts(): contexts and channels of the process, also of other threads.
napi_value JsLiveCounts(napi_env env, napi_callback_info) {
  napi_value result = nullptr;
  const bool complete = napi_create_object(env, &result) == napi_ok &&
                        SetCount(env, result, "contexts", tls_live.contexts) &&
                        SetCount(env, result, "channels", tls_live.channels);
  return complete ? result : nullptr;
}

}  // namespace

bool ExportTls(napi_env env, napi_value exports) {
  const napi_property_descriptor methods[] = {
      {"addIdentity", nullptr, JsAddIdentity, nullptr, nullptr, nullptr, napi_default_method,
       nullptr},
  };
  napi_value context;
  napi_value counts;
  return napi_define_class(env, "TlsContext", NAPI_AUTO_LENGTH, JsConstruct, nullptr, 1, methods,
                           &context) == napi_ok &&
         napi_set_named_property(env, exports, "TlsContext", context) == napi_ok &&
         napi_create_function(env, "tlsLiveCounts", NAPI_AUTO_LENGTH, JsLiveCounts, nullptr,
                              &counts) == napi_ok &&
         napi_set_named_property(env, exports, "tlsLiveCounts", counts) == napi_ok;
}

}  // namespace sluice
