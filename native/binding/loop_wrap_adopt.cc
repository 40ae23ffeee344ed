// NativeLoop's calls about single connections: taking one over, and what the kernel knows of one.
// See loop_wrap.h.
#include "arguments.h"
#include "loop_wrap.h"

namespace sluice {

namespace {

/** Sets properties of an object, and remembers whether all went well. */
class ObjectWriter {
 public:
  explicit ObjectWriter(napi_env env) : env_(env) {
    complete_ = napi_create_object(env, &object_) == napi_ok;
  }

  void Number(const char* name, double number) {
    napi_value value = nullptr;
    const napi_status status = napi_create_double(env_, number, &value);
    Set(name, status, value);
  }
  void Text(const char* name, const char* text, size_t length) {
    napi_value value = nullptr;
    const napi_status status = napi_create_string_utf8(env_, text, length, &value);
    Set(name, status, value);
  }
  [[nodiscard]] napi_value Result() const { return complete_ ? object_ : nullptr; }

 private:
  void Set(const char* name, napi_status status, napi_value value) {
    complete_ = complete_ && status == napi_ok &&
                napi_set_named_property(env_, object_, name, value) == napi_ok;
  }

  napi_env env_;
  napi_value object_ = nullptr;
  bool complete_ = false;
};

napi_value MakeInfo(napi_env env, const SocketInfo& info) {
  ObjectWriter writer(env);
  writer.Number("isUnix", info.family == AF_UNIX ? 1 : 0);
  writer.Text("localAddress", info.local.text, info.local.length);
  writer.Number("localPort", info.local.port);
  writer.Text("remoteAddress", info.remote.text, info.remote.length);
  writer.Number("remotePort", info.remote.port);
  writer.Number("incomingCpu", info.incoming_cpu);
  writer.Number("rttUs", info.rtt_us);
  writer.Number("rttVarianceUs", info.rtt_variance_us);
  writer.Number("retransmits", info.retransmits);
  writer.Number("unacknowledged", info.unacknowledged);
  writer.Number("congestionWindow", info.congestion_window);
  writer.Number("notSentBytes", info.not_sent_bytes);
  writer.Number("peerPid", info.peer_pid);
  writer.Number("peerUid", static_cast<double>(info.peer_uid));
  writer.Number("peerGid", static_cast<double>(info.peer_gid));
  return writer.Result();
}

}  // namespace

// adopt(fd, duplicate, head): the connection's id, or a negative errno.
napi_value LoopWrap::JsAdopt(napi_env env, napi_callback_info info) {
  Arguments arguments;
  LoopWrap* wrap = From(env, info, &arguments);
  if (wrap == nullptr) return nullptr;
  uint32_t fd = 0;
  uint8_t* head = nullptr;
  size_t head_bytes = 0;
  Adoption adoption;
  if (!RequireUint32(arguments, 0, "fd", &fd) ||
      !RequireBoolean(arguments, 1, "duplicate", &adoption.duplicate) ||
      !RequireBytes(arguments, 2, "head", &head, &head_bytes)) {
    return nullptr;
  }
  if (wrap->closing_) return MakeInt32(env, -ECANCELED);
  if (head_bytes > kAdoptHeadBytesMax) return MakeInt32(env, -ENOBUFS);
  adoption.fd = static_cast<int>(fd);
  adoption.head = head;
  adoption.head_bytes = static_cast<uint32_t>(head_bytes);
  uint64_t token = 0;
  const int error = wrap->loop_.Adopt(adoption, &token);
  if (!wrap->in_batch_) wrap->ArmHandles();
  if (error != 0) return MakeInt32(env, error);
  napi_value result = nullptr;
  const uint64_t id = (uint64_t{TokenGeneration(token)} << kSlotBits) + TokenSlot(token);
  (void)napi_create_double(env, static_cast<double>(id), &result);
  return result;
}

// connectionInfo(slot, generation): an object, or a negative errno.
napi_value LoopWrap::JsConnectionInfo(napi_env env, napi_callback_info info) {
  Arguments arguments;
  LoopWrap* wrap = From(env, info, &arguments);
  uint32_t slot = 0;
  uint32_t generation = 0;
  if (wrap == nullptr || !RequireUint32(arguments, 0, "slot", &slot) ||
      !RequireUint32(arguments, 1, "generation", &generation)) {
    return nullptr;
  }
  SocketInfo known;
  const int error = wrap->loop_.ReadInfo(slot, generation, &known);
  return error != 0 ? MakeInt32(env, error) : MakeInfo(env, known);
}

}  // namespace sluice
