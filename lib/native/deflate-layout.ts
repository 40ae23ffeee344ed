// The words and flags of a deflate call. native/binding/deflate_words.h and core/deflate.h say the same;
// test/integration/codec-deflate.test.ts compares DEFLATE_LAYOUT with what the addon exports.

export const WORD_START = 0;
export const WORD_END = 1;
export const WORD_OUT_START = 2;
export const WORD_OUT_END = 3;
export const WORD_FLAGS = 4;
export const WORD_MASK = 5;
export const WORD_CONSUMED = 6;
export const WORD_PRODUCED = 7;
export const WORD_ASCII = 8;

/** The first piece of a message. */
export const INFLATE_BEGIN = 1;
/** It is a text: judged as UTF-8 on the way. */
export const INFLATE_TEXT = 2;
/** The message refers to nothing before it. */
export const INFLATE_FORGET = 4;
/** The last piece of a message. */
export const INFLATE_LAST = 8;

/** All input is consumed; of the last piece: the message is whole and valid. */
export const INFLATE_DONE = 0;
/** The room is full and there may be more: come again with the rest of the input. */
export const INFLATE_FULL = 1;
export const INFLATE_CORRUPT = -1;
export const INFLATE_INVALID_TEXT = -2;
export const INFLATE_NO_MEMORY = -3;

/** The message refers to nothing before it. */
export const DEFLATE_FORGET = 0x100;
/** A frame that is not shorter than the plain one is not wanted. */
export const DEFLATE_IF_SMALLER = 0x200;
export const DEFLATE_TEXT = 0x400;
/** Texts that may need more than this in UTF-8 travel as bytes. */
export const DEFLATE_TEXT_BYTES_MAX = 1024 * 1024;
/** Streams of one kind in one environment. */
export const STREAMS_MAX = 1_048_576;

/** Everything above under the names that the addon uses. */
export const DEFLATE_LAYOUT: Readonly<Record<string, number>> = {
  start: WORD_START,
  end: WORD_END,
  outStart: WORD_OUT_START,
  outEnd: WORD_OUT_END,
  flags: WORD_FLAGS,
  mask: WORD_MASK,
  consumed: WORD_CONSUMED,
  produced: WORD_PRODUCED,
  ascii: WORD_ASCII,
  inflateBegin: INFLATE_BEGIN,
  inflateText: INFLATE_TEXT,
  inflateForget: INFLATE_FORGET,
  inflateLast: INFLATE_LAST,
  inflateDone: INFLATE_DONE,
  inflateFull: INFLATE_FULL,
  inflateCorrupt: INFLATE_CORRUPT,
  inflateInvalidText: INFLATE_INVALID_TEXT,
  inflateNoMemory: INFLATE_NO_MEMORY,
  deflateForget: DEFLATE_FORGET,
  deflateIfSmaller: DEFLATE_IF_SMALLER,
  deflateText: DEFLATE_TEXT,
  deflateTextBytesMax: DEFLATE_TEXT_BYTES_MAX,
  streamsMax: STREAMS_MAX,
};
