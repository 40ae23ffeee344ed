// See deflate_js.h.
#include "deflate_js.h"

#include <memory>
#include <vector>

#include "../core/deflate.h"
#include "../core/unmask.h"
#include "arguments.h"
#include "deflate_words.h"

namespace sluice {

namespace {

/** Streams by integers; the integer of a closed one is given out again. */
template <typename Stream>
class StreamTable {
 public:
  /** @returns its integer, or -1 without a stream or a place */
  int32_t Add(std::unique_ptr<Stream> stream) {
    if (stream == nullptr) return -1;
    if (!free_.empty()) {
      const uint32_t place = free_.back();
      free_.pop_back();
      streams_[place] = std::move(stream);
      return static_cast<int32_t>(place);
    }
    if (streams_.size() >= kStreamsMax) return -1;
    streams_.push_back(std::move(stream));
    return static_cast<int32_t>(streams_.size() - 1);
  }

  [[nodiscard]] Stream* Find(uint32_t place) const {
    return place < streams_.size() ? streams_[place].get() : nullptr;
  }

  void Remove(uint32_t place) {
    if (Find(place) == nullptr) return;
    streams_[place].reset();
    free_.push_back(place);
  }

 private:
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<uint32_t> free_;
};

/** Everything of one environment. */
struct Engine {
  StreamTable<Deflater> deflaters;
  StreamTable<Inflater> inflaters;
  int32_t* words = nullptr;
  napi_ref words_reference = nullptr;
  std::vector<char> text;
};

/** A range of bytes that the words name. */
struct Range {
  uint8_t* bytes;
  size_t length;
};

void EndEngine(void* data) {
  delete static_cast<Engine*>(data);
}

napi_value MakeInt32(napi_env env, int32_t value) {
  napi_value result = nullptr;
  (void)napi_create_int32(env, value, &result);
  return result;
}

bool ReadRange(const Arguments& arguments, const Engine& engine, size_t index, const char* name,
               uint32_t start_word, Range* range) {
  size_t length = 0;
  if (!RequireBytes(arguments, index, name, &range->bytes, &length)) return false;
  const auto start = static_cast<uint32_t>(engine.words[start_word]);
  const auto end = static_cast<uint32_t>(engine.words[start_word + 1]);
  if (start > end || end > length) {
    (void)napi_throw_range_error(arguments.env, "ERR_ARG_RANGE", "The words must lie inside.");
    return false;
  }
  range->bytes += start;
  range->length = end - start;
  return true;
}

/** Reads the arguments and finds the stream that the first of them names. */
template <typename Stream>
Stream* FindStream(napi_env env, napi_callback_info info, StreamTable<Stream> Engine::*table,
                   Arguments* arguments) {
  uint32_t place = 0;
  if (!ReadArguments(env, info, arguments) || !RequireUint32(*arguments, 0, "stream", &place)) {
    return nullptr;
  }
  Stream* stream = (static_cast<Engine*>(arguments->data)->*table).Find(place);
  if (stream == nullptr) {
    (void)napi_throw_range_error(env, "ERR_ARG_RANGE", "There is no such stream.");
  }
  return stream;
}

// openDeflater(windowBits, level, memLevel): its integer, or -1
napi_value JsOpenDeflater(napi_env env, napi_callback_info info) {
  Arguments arguments;
  uint32_t numbers[3];
  if (!ReadArguments(env, info, &arguments)) return nullptr;
  for (size_t i = 0; i < 3; ++i) {
    if (!RequireUint32(arguments, i, "windowBits, level and memLevel", &numbers[i])) return nullptr;
    numbers[i] = numbers[i] > kWindowBitsMax ? kWindowBitsMax + 1 : numbers[i];
  }
  auto* engine = static_cast<Engine*>(arguments.data);
  return MakeInt32(env, engine->deflaters.Add(Deflater::Create(static_cast<int>(numbers[0]),
                                                               static_cast<int>(numbers[1]),
                                                               static_cast<int>(numbers[2]))));
}

// openInflater(windowBits): its integer, or -1
napi_value JsOpenInflater(napi_env env, napi_callback_info info) {
  Arguments arguments;
  uint32_t bits = 0;
  if (!ReadArguments(env, info, &arguments) || !RequireUint32(arguments, 0, "windowBits", &bits)) {
    return nullptr;
  }
  bits = bits > kWindowBitsMax ? kWindowBitsMax + 1 : bits;
  auto* engine = static_cast<Engine*>(arguments.data);
  return MakeInt32(env, engine->inflaters.Add(Inflater::Create(static_cast<int>(bits))));
}

// closeDeflater(stream), closeInflater(stream)
template <typename Stream, StreamTable<Stream> Engine::*table>
napi_value JsCloseStream(napi_env env, napi_callback_info info) {
  Arguments arguments;
  uint32_t place = 0;
  if (!ReadArguments(env, info, &arguments) || !RequireUint32(arguments, 0, "stream", &place)) {
    return nullptr;
  }
  (static_cast<Engine*>(arguments.data)->*table).Remove(place);
  return nullptr;
}

// inflate(stream, bytes, out): an InflateStatus
napi_value JsInflate(napi_env env, napi_callback_info info) {
  Arguments arguments;
  Inflater* inflater = FindStream(env, info, &Engine::inflaters, &arguments);
  if (inflater == nullptr) return nullptr;
  const auto* engine = static_cast<Engine*>(arguments.data);
  int32_t* words = engine->words;
  Range in;
  Range out;
  if (!ReadRange(arguments, *engine, 1, "bytes", kWordStart, &in) ||
      !ReadRange(arguments, *engine, 2, "out", kWordOutStart, &out)) {
    return nullptr;
  }
  const auto flags = static_cast<uint32_t>(words[kWordFlags]);
  const auto mask = static_cast<uint32_t>(words[kWordMask]);
  if (mask != 0) (void)Unmask(in.bytes, in.length, mask);
  if ((flags & kInflateBegin) != 0) {
    inflater->Begin((flags & kInflateText) != 0, (flags & kInflateForget) != 0);
  }
  const InflateResult result =
      inflater->Push(in.bytes, in.length, (flags & kInflateLast) != 0, out.bytes, out.length);
  words[kWordConsumed] = static_cast<int32_t>(result.consumed);
  words[kWordProduced] = static_cast<int32_t>(result.produced);
  words[kWordAscii] = inflater->IsAscii() ? 1 : 0;
  return MakeInt32(env, static_cast<int32_t>(result.status));
}

// inflateReason(stream): what was wrong
napi_value JsInflateReason(napi_env env, napi_callback_info info) {
  Arguments arguments;
  const Inflater* inflater = FindStream(env, info, &Engine::inflaters, &arguments);
  if (inflater == nullptr) return nullptr;
  napi_value text = nullptr;
  (void)napi_create_string_utf8(env, inflater->Reason(), NAPI_AUTO_LENGTH, &text);
  return text;
}

/** Encodes a text into memory of the engine. */
bool ReadText(const Arguments& arguments, Engine* engine, Range* text) {
  const auto room = static_cast<uint32_t>(engine->words[kWordEnd]);
  if (room > kDeflateTextBytesMax) {
    (void)napi_throw_range_error(arguments.env, "ERR_ARG_RANGE", "The text is too long.");
    return false;
  }
  // One more for the zero that Node-API puts behind it.
  if (engine->text.size() <= room) engine->text.resize(room + 1);
  if (napi_get_value_string_utf8(arguments.env, arguments.values[1], engine->text.data(),
                                 room + size_t{1}, &text->length) != napi_ok) {
    ThrowType(arguments.env, "data", "a string");
    return false;
  }
  text->bytes = reinterpret_cast<uint8_t*>(engine->text.data());
  return true;
}

size_t PlainFrameLength(size_t length) {
  return length + (length < 126 ? 2 : length < 0x10000 ? 4 : kFrameHeaderBytesMax);
}

// deflate(stream, data, out): the frame's length, or 0: better sent as it is
napi_value JsDeflate(napi_env env, napi_callback_info info) {
  Arguments arguments;
  Deflater* deflater = FindStream(env, info, &Engine::deflaters, &arguments);
  if (deflater == nullptr) return nullptr;
  auto* engine = static_cast<Engine*>(arguments.data);
  const auto flags = static_cast<uint32_t>(engine->words[kWordFlags]);
  Range data;
  Range out;
  const bool is_read = (flags & kDeflateText) != 0
                           ? ReadText(arguments, engine, &data)
                           : ReadRange(arguments, *engine, 1, "data", kWordStart, &data);
  if (!is_read || !ReadRange(arguments, *engine, 2, "out", kWordOutStart, &out)) return nullptr;
  if ((flags & kDeflateForget) != 0) deflater->Reset();
  const size_t length =
      deflater->Frame(static_cast<uint8_t>(flags), data.bytes, data.length, out.bytes, out.length);
  if ((flags & kDeflateIfSmaller) != 0 && length >= PlainFrameLength(data.length)) {
    return MakeInt32(env, 0);
  }
  return MakeInt32(env, static_cast<int32_t>(length));
}

// liveStreams(): streams of this process; liveBytes(): what zlib has allocated for them
napi_value JsLiveStreams(napi_env env, napi_callback_info) {
  napi_value count = nullptr;
  (void)napi_create_int64(env, LiveStreams().streams, &count);
  return count;
}

napi_value JsLiveBytes(napi_env env, napi_callback_info) {
  napi_value bytes = nullptr;
  (void)napi_create_int64(env, LiveStreams().bytes, &bytes);
  return bytes;
}

bool SetFunction(napi_env env, napi_value object, const char* name, napi_callback callback,
                 Engine* engine) {
  napi_value function;
  return napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, engine, &function) ==
             napi_ok &&
         napi_set_named_property(env, object, name, function) == napi_ok;
}

bool SetWords(napi_env env, napi_value object, Engine* engine) {
  void* memory = nullptr;
  napi_value buffer;
  napi_value words;
  if (napi_create_arraybuffer(env, kDeflateWords * sizeof(int32_t), &memory, &buffer) != napi_ok ||
      napi_create_typedarray(env, napi_int32_array, kDeflateWords, buffer, 0, &words) != napi_ok ||
      napi_create_reference(env, words, 1, &engine->words_reference) != napi_ok) {
    return false;
  }
  engine->words = static_cast<int32_t*>(memory);
  return napi_set_named_property(env, object, "words", words) == napi_ok;
}

struct Constant {
  const char* name;
  int32_t value;
};

constexpr Constant kConstants[] = {
    {"start", kWordStart},
    {"end", kWordEnd},
    {"outStart", kWordOutStart},
    {"outEnd", kWordOutEnd},
    {"flags", kWordFlags},
    {"mask", kWordMask},
    {"consumed", kWordConsumed},
    {"produced", kWordProduced},
    {"ascii", kWordAscii},
    {"inflateBegin", kInflateBegin},
    {"inflateText", kInflateText},
    {"inflateForget", kInflateForget},
    {"inflateLast", kInflateLast},
    {"inflateDone", static_cast<int32_t>(InflateStatus::kDone)},
    {"inflateFull", static_cast<int32_t>(InflateStatus::kFull)},
    {"inflateCorrupt", static_cast<int32_t>(InflateStatus::kCorrupt)},
    {"inflateInvalidText", static_cast<int32_t>(InflateStatus::kInvalidText)},
    {"inflateNoMemory", static_cast<int32_t>(InflateStatus::kNoMemory)},
    {"deflateForget", kDeflateForget},
    {"deflateIfSmaller", kDeflateIfSmaller},
    {"deflateText", kDeflateText},
    {"deflateTextBytesMax", kDeflateTextBytesMax},
    {"streamsMax", kStreamsMax},
};

bool SetLayout(napi_env env, napi_value object) {
  napi_value layout;
  if (napi_create_object(env, &layout) != napi_ok) return false;
  for (const Constant& constant : kConstants) {
    if (napi_set_named_property(env, layout, constant.name, MakeInt32(env, constant.value)) !=
        napi_ok) {
      return false;
    }
  }
  return napi_set_named_property(env, object, "layout", layout) == napi_ok;
}

}  // namespace

bool ExportDeflate(napi_env env, napi_value exports) {
  auto* engine = new Engine();
  if (napi_add_env_cleanup_hook(env, EndEngine, engine) != napi_ok) {
    delete engine;
    return false;
  }
  napi_value object;
  return napi_create_object(env, &object) == napi_ok && SetWords(env, object, engine) &&
         SetLayout(env, object) &&
         SetFunction(env, object, "openDeflater", JsOpenDeflater, engine) &&
         SetFunction(env, object, "openInflater", JsOpenInflater, engine) &&
         SetFunction(env, object, "closeDeflater", JsCloseStream<Deflater, &Engine::deflaters>,
                     engine) &&
         SetFunction(env, object, "closeInflater", JsCloseStream<Inflater, &Engine::inflaters>,
                     engine) &&
         SetFunction(env, object, "inflate", JsInflate, engine) &&
         SetFunction(env, object, "inflateReason", JsInflateReason, engine) &&
         SetFunction(env, object, "deflate", JsDeflate, engine) &&
         SetFunction(env, object, "liveStreams", JsLiveStreams, engine) &&
         SetFunction(env, object, "liveBytes", JsLiveBytes, engine) &&
         napi_set_named_property(env, exports, "deflate", object) == napi_ok;
}

}  // namespace sluice
