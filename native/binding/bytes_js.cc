// See bytes_js.h.
#include "bytes_js.h"

#include <cstdlib>

#include "../core/file_read.h"
#include "../core/frame_scan.h"
#include "../core/live_objects.h"
#include "../core/sha256.h"
#include "../core/unmask.h"
#include "arguments.h"

namespace sluice {

namespace {

/** The largest block that still moves glibc's thresholds (mallopt(3)): 32 MiB with its own head. */
constexpr size_t kThresholdBlockBytes = 32 * 1024 * 1024 - 64 * 1024;

constexpr napi_type_tag kHmacTag = {0x5c1d1e0a4f7b4c11ULL, 0x9a52c0de10ef0002ULL};

napi_value MakeBoolean(napi_env env, bool value) {
  napi_value result = nullptr;
  (void)napi_get_boolean(env, value, &result);
  return result;
}

void FinalizeHmacKey(napi_env, void* data, void*) {
  auto* key = static_cast<HmacKey*>(data);
  // The pads are as good as the secret.
  __builtin_memset(static_cast<void*>(key), 0, sizeof(*key));
  asm volatile("" : : "r"(key) : "memory");
  delete key;
  --TheLiveObjects().hmac_keys;
}

// new HmacKey(secret)
napi_value JsConstructHmacKey(napi_env env, napi_callback_info info) {
  Arguments arguments;
  uint8_t* secret = nullptr;
  size_t length = 0;
  if (!ReadArguments(env, info, &arguments) ||
      !RequireBytes(arguments, 0, "secret", &secret, &length)) {
    return nullptr;
  }
  auto* key = new HmacKey(secret, length);
  if (napi_wrap(env, arguments.receiver, key, FinalizeHmacKey, nullptr, nullptr) != napi_ok) {
    delete key;
    return nullptr;
  }
  ++TheLiveObjects().hmac_keys;
  (void)napi_type_tag_object(env, arguments.receiver, &kHmacTag);
  return arguments.receiver;
}

// verify(bytes, start, end, expectedHex)
napi_value JsVerify(napi_env env, napi_callback_info info) {
  Arguments arguments;
  if (!ReadArguments(env, info, &arguments)) return nullptr;
  const void* wrapped = UnwrapTagged(env, arguments.receiver, kHmacTag);
  if (wrapped == nullptr) return nullptr;
  uint8_t* bytes = nullptr;
  size_t length = 0;
  uint32_t start = 0;
  uint32_t end = 0;
  // One character more than a signature has, so that a longer text is seen as longer.
  char hex[2 * kSha256Bytes + 2];
  size_t hex_length = 0;
  if (!RequireBytes(arguments, 0, "bytes", &bytes, &length) ||
      !RequireRange(arguments, 1, length, &start, &end) ||
      !RequireLatin1(arguments, 3, "expectedHex", hex, sizeof(hex), &hex_length)) {
    return nullptr;
  }
  const auto* key = static_cast<const HmacKey*>(wrapped);
  return MakeBoolean(env, key->Verify(bytes + start, end - start, hex, hex_length));
}

}  // namespace

napi_value JsUnmask(napi_env env, napi_callback_info info) {
  Arguments arguments;
  uint8_t* bytes = nullptr;
  size_t length = 0;
  uint32_t start = 0;
  uint32_t end = 0;
  uint32_t mask = 0;
  if (!ReadArguments(env, info, &arguments) ||
      !RequireBytes(arguments, 0, "bytes", &bytes, &length) ||
      !RequireRange(arguments, 1, length, &start, &end) ||
      !RequireUint32(arguments, 3, "mask", &mask)) {
    return nullptr;
  }
  return MakeBoolean(env, Unmask(bytes + start, end - start, mask));
}

napi_value JsScanFrames(napi_env env, napi_callback_info info) {
  Arguments arguments;
  uint8_t* bytes = nullptr;
  size_t length = 0;
  uint32_t start = 0;
  uint32_t end = 0;
  if (!ReadArguments(env, info, &arguments) ||
      !RequireBytes(arguments, 0, "bytes", &bytes, &length) ||
      !RequireRange(arguments, 1, length, &start, &end)) {
    return nullptr;
  }
  napi_value result = nullptr;
  const size_t scanned = ScanFrames(bytes + start, end - start);
  (void)napi_create_uint32(env, static_cast<uint32_t>(scanned), &result);
  return result;
}

napi_value JsReadCached(napi_env env, napi_callback_info info) {
  Arguments arguments;
  uint8_t* bytes = nullptr;
  size_t length = 0;
  uint32_t start = 0;
  uint32_t end = 0;
  uint32_t fd = 0;
  uint32_t high = 0;
  uint32_t low = 0;
  if (!ReadArguments(env, info, &arguments) ||
      !RequireBytes(arguments, 0, "bytes", &bytes, &length) ||
      !RequireRange(arguments, 1, length, &start, &end) ||
      !RequireUint32(arguments, 3, "fd", &fd) ||
      !RequireUint32(arguments, 4, "positionHigh", &high) ||
      !RequireUint32(arguments, 5, "positionLow", &low)) {
    return nullptr;
  }
  const uint64_t position = uint64_t{high} << 32 | low;
  const int64_t count = ReadCached(static_cast<int>(fd), bytes + start, end - start, position);
  return MakeInt32(env, static_cast<int32_t>(count));
}

// Garbage collection frees the payloads of large messages tens of MiB at a time. glibc gives what
// is free at the top of its heap back to the kernel beyond 128 KiB, and every page is then faulted
// in again: messages of 64 KiB cost more than twice as much. Freeing one large block makes glibc
// keep up to 64 MiB, as it does in any program that frees such blocks; who has set the thresholds
// by mallopt or the environment keeps them.
napi_value JsKeepFreedMemory(napi_env, napi_callback_info) {
  void* volatile block = std::malloc(kThresholdBlockBytes);
  std::free(block);
  return nullptr;
}

napi_value DefineHmacKey(napi_env env) {
  const napi_property_descriptor methods[] = {
      {"verify", nullptr, JsVerify, nullptr, nullptr, nullptr, napi_default_method, nullptr},
  };
  napi_value result = nullptr;
  (void)napi_define_class(env, "HmacKey", NAPI_AUTO_LENGTH, JsConstructHmacKey, nullptr, 1, methods,
                          &result);
  return result;
}

}  // namespace sluice
