// The layout of the memory that TypeScript and the addon share. native/core/limits.h,
// shared_memory.h and loop_wrap.h say the same; test/integration/net-addon.test.ts compares LAYOUT
// with what the addon exports.

export const SLOT_BITS = 20;
export const SLOTS_MAX = 1_048_576;
/** id = generation * ID_GENERATION + slot. */
export const ID_GENERATION = 1_048_576;

export const RECEIVE_SLAB_BYTES = 512 * 1024;
export const RECEIVE_RECORDS_MAX = 136;
export const SEND_SLAB_BYTES = 64 * 1024 * 1024;
/** A slab that is fuller than this is flushed before more is put into it. */
export const SEND_SLAB_SOFT_BYTES = 1024 * 1024;
export const SEND_RECORDS_MAX = 16 * 1024;
export const FANOUT_SLOTS_MAX = 256 * 1024;
/** No connection may owe more than this; writes beyond it are refused with -ENOBUFS. */
export const PENDING_BYTES_MAX = 256 * 1024 * 1024;
/**
 * onDrain comes when pending bytes fall below the low mark after having reached the high one. The
 * marks of a connection until setMarks().
 */
export const HIGH_WATER_BYTES = 64 * 1024;
export const LOW_WATER_BYTES = 16 * 1024;
export const BACKLOG_MAX = 65_535;
export const SOCKET_PATH_BYTES_MAX = 107;
export const EVENTS_PER_WAIT_MAX = 256;
/** What may come with an adopted socket. */
export const ADOPT_HEAD_BYTES_MAX = 1024 * 1024;
/** Deadlines are late by up to this, never early. */
export const WHEEL_TICK_MS = 32;
/** How long input is discarded after close() before the descriptor goes. */
export const LINGER_MS = 2000;

export const HEADER_WORDS = 32;
export const HEADER_RECEIVE_COUNT = 0;
export const HEADER_SEND_COUNT = 1;
export const HEADER_SEND_CURSOR = 2;
export const HEADER_FANOUT_CURSOR = 3;
export const HEADER_WANTS = 4;
export const HEADER_FLUSH_COUNT = 5;
export const HEADER_SEND_CALLS = 6;
export const HEADER_QUEUED_CONNECTIONS = 7;
/** From here on two words each, the lower half first. */
export const HEADER_QUEUED_BYTES = 8;
export const HEADER_SENT_BYTES = 10;
export const HEADER_RECEIVED_BYTES = 12;
/** What readCounters() was asked for. */
export const HEADER_ONE_SENT_BYTES = 14;
export const HEADER_ONE_RECEIVED_BYTES = 16;
export const HEADER_QUEUED_BYTES_MAX = 18;
export const HEADER_ONE_TAKEN_BYTES = 20;

export const WANT_COMMIT = 1;
export const WANT_BEFORE_FLUSH = 2;

/** Words of a receive record: slot, generation, kind, start, end, value, port, unused. */
export const RECEIVE_STRIDE = 8;
export const EVENT_OPEN = 1;
export const EVENT_DATA = 2;
export const EVENT_END = 3;
export const EVENT_DRAIN = 4;
export const EVENT_DEADLINE = 5;
export const EVENT_CLOSE = 6;
export const EVENT_LISTENER_FAILED = 7;

/** Words of a send record: operation, slot, generation, start, length, count. */
export const SEND_STRIDE = 6;
export const SEND_WRITE = 1;
export const SEND_FANOUT = 2;
export const SEND_END = 3;
export const SEND_CLOSE = 4;
export const SEND_RESET = 5;
export const SEND_DROP = 6;
export const SEND_PAUSE = 7;
export const SEND_RESUME = 8;
export const SEND_DEADLINE = 9;
export const SEND_MARKS = 10;
export const SEND_NOTICE = 11;

export const CALL_DELIVER = 1;
export const CALL_COMMIT = 2;
export const CALL_BEFORE_FLUSH = 3;
export const CALL_CLOSED = 4;

/** Everything above under the names that the addon uses. */
export const LAYOUT: Readonly<Record<string, number>> = {
  slotsMax: SLOTS_MAX,
  slotBits: SLOT_BITS,
  receiveSlabBytes: RECEIVE_SLAB_BYTES,
  receiveRecordsMax: RECEIVE_RECORDS_MAX,
  receiveStride: RECEIVE_STRIDE,
  sendSlabBytes: SEND_SLAB_BYTES,
  sendSlabSoftBytes: SEND_SLAB_SOFT_BYTES,
  sendRecordsMax: SEND_RECORDS_MAX,
  sendStride: SEND_STRIDE,
  fanoutSlotsMax: FANOUT_SLOTS_MAX,
  pendingBytesMax: PENDING_BYTES_MAX,
  highWaterBytes: HIGH_WATER_BYTES,
  lowWaterBytes: LOW_WATER_BYTES,
  backlogMax: BACKLOG_MAX,
  eventsPerWaitMax: EVENTS_PER_WAIT_MAX,
  adoptHeadBytesMax: ADOPT_HEAD_BYTES_MAX,
  socketPathBytesMax: SOCKET_PATH_BYTES_MAX,
  wheelTickMs: WHEEL_TICK_MS,
  lingerMs: LINGER_MS,
  headerWords: HEADER_WORDS,
  headerReceiveCount: HEADER_RECEIVE_COUNT,
  headerSendCount: HEADER_SEND_COUNT,
  headerSendCursor: HEADER_SEND_CURSOR,
  headerFanoutCursor: HEADER_FANOUT_CURSOR,
  headerWants: HEADER_WANTS,
  headerFlushCount: HEADER_FLUSH_COUNT,
  headerSendCalls: HEADER_SEND_CALLS,
  headerQueuedConnections: HEADER_QUEUED_CONNECTIONS,
  headerQueuedBytes: HEADER_QUEUED_BYTES,
  headerSentBytes: HEADER_SENT_BYTES,
  headerReceivedBytes: HEADER_RECEIVED_BYTES,
  headerOneSentBytes: HEADER_ONE_SENT_BYTES,
  headerOneReceivedBytes: HEADER_ONE_RECEIVED_BYTES,
  headerQueuedBytesMax: HEADER_QUEUED_BYTES_MAX,
  headerOneTakenBytes: HEADER_ONE_TAKEN_BYTES,
  wantCommit: WANT_COMMIT,
  wantBeforeFlush: WANT_BEFORE_FLUSH,
  eventOpen: EVENT_OPEN,
  eventData: EVENT_DATA,
  eventEnd: EVENT_END,
  eventDrain: EVENT_DRAIN,
  eventDeadline: EVENT_DEADLINE,
  eventClose: EVENT_CLOSE,
  eventListenerFailed: EVENT_LISTENER_FAILED,
  sendWrite: SEND_WRITE,
  sendFanout: SEND_FANOUT,
  sendEnd: SEND_END,
  sendClose: SEND_CLOSE,
  sendReset: SEND_RESET,
  sendDrop: SEND_DROP,
  sendPause: SEND_PAUSE,
  sendResume: SEND_RESUME,
  sendDeadline: SEND_DEADLINE,
  sendMarks: SEND_MARKS,
  sendNotice: SEND_NOTICE,
  callDeliver: CALL_DELIVER,
  callCommit: CALL_COMMIT,
  callBeforeFlush: CALL_BEFORE_FLUSH,
  callClosed: CALL_CLOSED,
};
