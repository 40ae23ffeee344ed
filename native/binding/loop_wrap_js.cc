// The class NativeLoop as JavaScript sees it; see loop_wrap.h. Arguments are checked for their
// types only, and every size against the layout that was agreed on.
#include "arguments.h"
#include "loop_wrap.h"

namespace sluice {

namespace {

/** Reads the eight views that make up the shared memory. @returns false after an exception */
bool ReadMemory(const Arguments& arguments, SharedMemory* memory) {
  size_t receive = 0;
  size_t send = 0;
  size_t header = 0;
  size_t receive_records = 0;
  size_t send_records = 0;
  size_t fanout = 0;
  size_t pending = 0;
  const bool typed =
      RequireBytes(arguments, 0, "receiveSlab", &memory->receive_slab, &receive) &&
      RequireBytes(arguments, 1, "sendSlab", &memory->send_slab, &send) &&
      RequireInt32Array(arguments, 2, "header", &memory->header, &header) &&
      RequireInt32Array(arguments, 3, "receiveRecords", &memory->receive_records,
                        &receive_records) &&
      RequireInt32Array(arguments, 4, "sendRecords", &memory->send_records, &send_records) &&
      RequireInt32Array(arguments, 5, "fanoutSlots", &memory->fanout_slots, &fanout) &&
      RequireInt32Array(arguments, 6, "pending", &memory->pending, &pending);
  if (!typed) return false;
  const bool fits = receive >= kReceiveSlabBytes && receive <= INT32_MAX && send >= 1 &&
                    send <= INT32_MAX && header >= kHeaderWords &&
                    receive_records >= kReceiveRecordsMax * kReceiveStride &&
                    send_records >= kSendStride && fanout >= 1 && pending >= 1;
  if (!fits) {
    (void)napi_throw_range_error(arguments.env, "ERR_ARG_RANGE", "A shared array is too small.");
    return false;
  }
  memory->receive_bytes = static_cast<uint32_t>(receive);
  memory->send_bytes = static_cast<uint32_t>(send);
  memory->receive_records_max = kReceiveRecordsMax;
  memory->send_records_max = static_cast<uint32_t>(send_records / kSendStride);
  memory->fanout_slots_max = static_cast<uint32_t>(fanout);
  memory->slots_max = static_cast<uint32_t>(pending < kSlotsMax ? pending : kSlotsMax);
  return true;
}

/** An array that keeps the views, and with them the memory, alive. */
bool KeepBuffers(const Arguments& arguments, size_t count, napi_ref* reference) {
  napi_value kept;
  if (napi_create_array(arguments.env, &kept) != napi_ok) return false;
  for (uint32_t i = 0; i < count; ++i) {
    if (napi_set_element(arguments.env, kept, i, arguments.values[i]) != napi_ok) return false;
  }
  return napi_create_reference(arguments.env, kept, 1, reference) == napi_ok;
}

}  // namespace

LoopWrap* LoopWrap::From(napi_env env, napi_callback_info info, Arguments* arguments) {
  if (!ReadArguments(env, info, arguments)) return nullptr;
  return static_cast<LoopWrap*>(UnwrapTagged(env, arguments->receiver, kTypeTag));
}

// new NativeLoop(receiveSlab, sendSlab, header, receiveRecords, sendRecords, fanoutSlots, pending,
//                { dispatch(kind), poison })
napi_value LoopWrap::JsConstruct(napi_env env, napi_callback_info info) {
  Arguments arguments;
  SharedMemory memory;
  if (!ReadArguments(env, info, &arguments) || !ReadMemory(arguments, &memory)) return nullptr;
  napi_value handler = arguments.values[7];
  napi_value function = nullptr;
  napi_value poison_value = nullptr;
  bool poison = false;
  napi_valuetype type = napi_undefined;
  if (napi_get_named_property(env, handler, "dispatch", &function) != napi_ok ||
      napi_typeof(env, function, &type) != napi_ok || type != napi_function ||
      napi_get_named_property(env, handler, "poison", &poison_value) != napi_ok ||
      napi_get_value_bool(env, poison_value, &poison) != napi_ok) {
    ThrowType(env, "handler", "an object with dispatch and poison");
    return nullptr;
  }
  auto* wrap = new LoopWrap(env, memory, poison);
  wrap->memory_header_ = memory.header;
  const int error = wrap->Start();
  if (error != 0) {
    delete wrap;
    (void)napi_throw_error(env, "ERR_SYSTEM", uv_strerror(error));
    return nullptr;
  }
  const bool bound =
      napi_wrap(env, arguments.receiver, wrap, JsFinalize, nullptr, nullptr) == napi_ok &&
      napi_type_tag_object(env, arguments.receiver, &kTypeTag) == napi_ok &&
      KeepBuffers(arguments, 8, &wrap->buffers_) && wrap->callback_.Bind(env, handler, function);
  if (!bound) {
    wrap->dead_ = true;
    wrap->CloseHandles();
    (void)napi_throw_error(env, "ERR_STATE", "The native loop could not be bound.");
    return nullptr;
  }
  return arguments.receiver;
}

void LoopWrap::JsFinalize(napi_env, void* data, void*) {
  auto* wrap = static_cast<LoopWrap*>(data);
  wrap->finalized_ = true;
  if (wrap->handles_open_ == 0) {
    delete wrap;
  } else {
    wrap->dead_ = true;
    wrap->CloseHandles();
  }
}

// Sends the send slab now: when it is full in the middle of a batch, and on process exit.
napi_value LoopWrap::JsFlush(napi_env env, napi_callback_info info) {
  Arguments arguments;
  LoopWrap* wrap = From(env, info, &arguments);
  if (wrap == nullptr) return nullptr;
  if (!wrap->closing_) {
    wrap->loop_.Flush();
    if (!wrap->in_batch_) wrap->ArmHandles();
  }
  return nullptr;
}

napi_value LoopWrap::JsOpenCount(napi_env env, napi_callback_info info) {
  Arguments arguments;
  LoopWrap* wrap = From(env, info, &arguments);
  if (wrap == nullptr) return nullptr;
  return MakeInt32(env, static_cast<int32_t>(wrap->loop_.open_count()));
}

// readCounters(slot, generation): whether the header now has the bytes of that connection.
napi_value LoopWrap::JsReadCounters(napi_env env, napi_callback_info info) {
  Arguments arguments;
  LoopWrap* wrap = From(env, info, &arguments);
  uint32_t slot = 0;
  uint32_t generation = 0;
  if (wrap == nullptr || !RequireUint32(arguments, 0, "slot", &slot) ||
      !RequireUint32(arguments, 1, "generation", &generation)) {
    return nullptr;
  }
  napi_value result = nullptr;
  (void)napi_get_boolean(env, wrap->loop_.ReadCounters(slot, generation), &result);
  return result;
}

napi_value LoopWrap::JsClose(napi_env env, napi_callback_info info) {
  Arguments arguments;
  LoopWrap* wrap = From(env, info, &arguments);
  if (wrap != nullptr) wrap->CloseHandles();
  return nullptr;
}

napi_value LoopWrap::Define(napi_env env) {
  const napi_property_descriptor methods[] = {
      {"listen", nullptr, JsListen, nullptr, nullptr, nullptr, napi_default_method, nullptr},
      {"listenPath", nullptr, JsListenPath, nullptr, nullptr, nullptr, napi_default_method,
       nullptr},
      {"listenDescriptor", nullptr, JsListenDescriptor, nullptr, nullptr, nullptr,
       napi_default_method, nullptr},
      {"tuneListener", nullptr, JsTuneListener, nullptr, nullptr, nullptr, napi_default_method,
       nullptr},
      {"listenerName", nullptr, JsListenerName, nullptr, nullptr, nullptr, napi_default_method,
       nullptr},
      {"listenerPort", nullptr, JsListenerPort, nullptr, nullptr, nullptr, napi_default_method,
       nullptr},
      {"closeListener", nullptr, JsCloseListener, nullptr, nullptr, nullptr, napi_default_method,
       nullptr},
      {"adopt", nullptr, JsAdopt, nullptr, nullptr, nullptr, napi_default_method, nullptr},
      {"connectionInfo", nullptr, JsConnectionInfo, nullptr, nullptr, nullptr, napi_default_method,
       nullptr},
      {"requireProxyHeader", nullptr, JsRequireProxyHeader, nullptr, nullptr, nullptr,
       napi_default_method, nullptr},
      {"guardListener", nullptr, JsGuardListener, nullptr, nullptr, nullptr, napi_default_method,
       nullptr},
      {"refusalCounters", nullptr, JsRefusalCounters, nullptr, nullptr, nullptr,
       napi_default_method, nullptr},
      {"flush", nullptr, JsFlush, nullptr, nullptr, nullptr, napi_default_method, nullptr},
      {"openCount", nullptr, JsOpenCount, nullptr, nullptr, nullptr, napi_default_method, nullptr},
      {"secureListener", nullptr, JsSecureListener, nullptr, nullptr, nullptr, napi_default_method,
       nullptr},
      {"secureInfo", nullptr, JsSecureInfo, nullptr, nullptr, nullptr, napi_default_method,
       nullptr},
      {"secureCounts", nullptr, JsSecureCounts, nullptr, nullptr, nullptr, napi_default_method,
       nullptr},
      {"readCounters", nullptr, JsReadCounters, nullptr, nullptr, nullptr, napi_default_method,
       nullptr},
      {"close", nullptr, JsClose, nullptr, nullptr, nullptr, napi_default_method, nullptr},
  };
  napi_value result = nullptr;
  (void)napi_define_class(env, "NativeLoop", NAPI_AUTO_LENGTH, JsConstruct, nullptr,
                          sizeof(methods) / sizeof(methods[0]), methods, &result);
  return result;
}

}  // namespace sluice
