// The entry of the addon: exports, and the layout that TypeScript compares with its own. There are
// no process-wide variables, since the addon is loaded by several worker threads.
#include <node_api.h>

#include "../core/error_code.h"
#include "../core/limits.h"
#include "../core/live_objects.h"
#include "../core/shared_memory.h"
#include "bytes_js.h"
#include "loop_wrap.h"
#include "poller_wrap.h"
#include "process_js.h"
#include "symbols_js.h"

namespace sluice {

namespace {

struct Constant {
  const char* name;
  uint32_t value;
};

// clang-format off
constexpr Constant kLayout[] = {
    {"slotsMax", kSlotsMax}, {"slotBits", kSlotBits},
    {"receiveSlabBytes", kReceiveSlabBytes}, {"receiveRecordsMax", kReceiveRecordsMax},
    {"receiveStride", kReceiveStride},
    {"sendSlabBytes", kSendSlabBytes}, {"sendSlabSoftBytes", kSendSlabSoftBytes},
    {"sendRecordsMax", kSendRecordsMax}, {"sendStride", kSendStride},
    {"fanoutSlotsMax", kFanoutSlotsMax}, {"pendingBytesMax", kPendingBytesMax},
    {"highWaterBytes", kHighWaterBytes}, {"lowWaterBytes", kLowWaterBytes},
    {"backlogMax", static_cast<uint32_t>(kBacklogMax)}, {"wheelTickMs", kWheelTickMs},
    {"eventsPerWaitMax", kEventsPerWaitMax},
    {"adoptHeadBytesMax", kAdoptHeadBytesMax}, {"socketPathBytesMax", kSocketPathBytesMax},
    {"lingerMs", kLingerMs}, {"headerWords", kHeaderWords},
    {"headerReceiveCount", kHeaderReceiveCount}, {"headerSendCount", kHeaderSendCount},
    {"headerSendCursor", kHeaderSendCursor}, {"headerFanoutCursor", kHeaderFanoutCursor},
    {"headerWants", kHeaderWants}, {"headerFlushCount", kHeaderFlushCount},
    {"headerSendCalls", kHeaderSendCalls},
    {"headerQueuedConnections", kHeaderQueuedConnections},
    {"headerQueuedBytes", kHeaderQueuedBytes}, {"headerSentBytes", kHeaderSentBytes},
    {"headerReceivedBytes", kHeaderReceivedBytes},
    {"headerOneSentBytes", kHeaderOneSentBytes},
    {"headerOneReceivedBytes", kHeaderOneReceivedBytes},
    {"headerQueuedBytesMax", kHeaderQueuedBytesMax},
    {"headerOneTakenBytes", kHeaderOneTakenBytes},
    {"wantCommit", kWantCommit}, {"wantBeforeFlush", kWantBeforeFlush},
    {"eventOpen", kEventOpen}, {"eventData", kEventData}, {"eventEnd", kEventEnd},
    {"eventDrain", kEventDrain}, {"eventDeadline", kEventDeadline}, {"eventClose", kEventClose},
    {"eventListenerFailed", kEventListenerFailed},
    {"sendWrite", kSendWrite}, {"sendFanout", kSendFanout}, {"sendEnd", kSendEnd},
    {"sendClose", kSendClose}, {"sendReset", kSendReset}, {"sendDrop", kSendDrop},
    {"sendPause", kSendPause}, {"sendResume", kSendResume}, {"sendDeadline", kSendDeadline},
    {"sendMarks", kSendMarks}, {"sendNotice", kSendNotice},
    {"callDeliver", kCallDeliver}, {"callCommit", kCallCommit},
    {"callBeforeFlush", kCallBeforeFlush}, {"callClosed", kCallClosed},
};
// clang-format on

bool ExportLayout(napi_env env, napi_value exports) {
  napi_value layout;
  if (napi_create_object(env, &layout) != napi_ok) return false;
  for (const Constant& constant : kLayout) {
    napi_value value;
    if (napi_create_uint32(env, constant.value, &value) != napi_ok ||
        napi_set_named_property(env, layout, constant.name, value) != napi_ok) {
      return false;
    }
  }
  return napi_set_named_property(env, exports, "layout", layout) == napi_ok;
}

bool ExportErrorNames(napi_env env, napi_value exports) {
  napi_value names;
  if (napi_create_object(env, &names) != napi_ok) return false;
#define SLUICE_EXPORT_ERROR(name)                                       \
  {                                                                     \
    napi_value value;                                                   \
    if (napi_create_int32(env, -(name), &value) != napi_ok ||           \
        napi_set_named_property(env, names, #name, value) != napi_ok) { \
      return false;                                                     \
    }                                                                   \
  }
  SLUICE_ERROR_CODES(SLUICE_EXPORT_ERROR)
#undef SLUICE_EXPORT_ERROR
  return napi_set_named_property(env, exports, "errorNames", names) == napi_ok;
}

bool SetCount(napi_env env, napi_value object, const char* name, int32_t count) {
  napi_value value;
  return napi_create_int32(env, count, &value) == napi_ok &&
         napi_set_named_property(env, object, name, value) == napi_ok;
}

// liveObjects(): native objects of this thread that are not freed yet, by kind.
napi_value JsLiveObjects(napi_env env, napi_callback_info) {
  const LiveObjects& live = TheLiveObjects();
  napi_value result = nullptr;
  const bool complete = napi_create_object(env, &result) == napi_ok &&
                        SetCount(env, result, "loops", live.loops) &&
                        SetCount(env, result, "connections", live.connections) &&
                        SetCount(env, result, "blocks", live.blocks) &&
                        SetCount(env, result, "hmacKeys", live.hmac_keys);
  return complete ? result : nullptr;
}

bool ExportFunction(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function;
  return napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function) ==
             napi_ok &&
         napi_set_named_property(env, exports, name, function) == napi_ok;
}

bool ExportProcess(napi_env env, napi_value exports) {
  return ExportFunction(env, exports, "openListener", JsOpenListener) &&
         ExportFunction(env, exports, "openPathListener", JsOpenPathListener) &&
         ExportFunction(env, exports, "descriptorPort", JsDescriptorPort) &&
         ExportFunction(env, exports, "duplicateDescriptor", JsDuplicateDescriptor) &&
         ExportFunction(env, exports, "openLocked", JsOpenLocked) &&
         ExportFunction(env, exports, "connectPath", JsConnectPath) &&
         ExportFunction(env, exports, "reapChild", JsReapChild) &&
         ExportFunction(env, exports, "prepareListener", JsPrepareListener) &&
         ExportFunction(env, exports, "descriptorAddress", JsDescriptorAddress) &&
         ExportFunction(env, exports, "sendDatagram", JsSendDatagram) &&
         ExportFunction(env, exports, "openProcess", JsOpenProcess) &&
         ExportFunction(env, exports, "waitProcess", JsWaitProcess) &&
         ExportFunction(env, exports, "replaceProgram", JsReplaceProgram);
}

}  // namespace

napi_value Initialize(napi_env env, napi_value exports) {
  const napi_value loop = LoopWrap::Define(env);
  const napi_value hmac = DefineHmacKey(env);
  const napi_value poller = PollerWrap::Define(env);
  const bool complete =
      loop != nullptr && hmac != nullptr && poller != nullptr && ExportLayout(env, exports) &&
      ExportErrorNames(env, exports) && ExportFunction(env, exports, "unmask", JsUnmask) &&
      ExportFunction(env, exports, "scanFrames", JsScanFrames) &&
      ExportFunction(env, exports, "readCached", JsReadCached) &&
      ExportFunction(env, exports, "keepFreedMemory", JsKeepFreedMemory) &&
      ExportFunction(env, exports, "missingSymbols", JsMissingSymbols) &&
      ExportFunction(env, exports, "liveObjects", JsLiveObjects) && ExportProcess(env, exports) &&
      napi_set_named_property(env, exports, "NativeLoop", loop) == napi_ok &&
      napi_set_named_property(env, exports, "NativePoller", poller) == napi_ok &&
      napi_set_named_property(env, exports, "HmacKey", hmac) == napi_ok;
  if (!complete) (void)napi_throw_error(env, "ERR_STATE", "The addon could not be initialized.");
  return exports;
}

}  // namespace sluice

NAPI_MODULE_INIT() {
  return sluice::Initialize(env, exports);
}
