// Every bound of the messenger room, with its unit in the name. Facts about Meta's own limits are those
// of its reference pages as read in 2026; the others are ours.

/**
 * A challenge is reflected to the caller: longer ones, or ones with control characters, are
 * refused.
 */
export const CHALLENGE_BYTES_MAX = 256;

/** Integers of this many digits or more are kept as strings: 2^53 has sixteen. */
export const SAFE_INTEGER_DIGITS_MAX = 15;

/**
 * Longer pieces of a dedupe key are replaced by their hash. Meta's mids have about 70-200
 * characters.
 */
export const KEY_PART_CHARS_MAX = 256;

/** JSON text of what is kept of an event that we do not understand, and of free-form members. */
export const RAW_CHARS_MAX = 32_768;
/** Nesting of what is kept so; Meta's own stays below ten. */
export const RAW_DEPTH_MAX = 40;

/** Attachments of one message that are kept; Meta's albums hold about thirty. */
export const ATTACHMENTS_MAX = 100;

/** Name of an unknown event, field or object. */
export const NAME_CHARS_MAX = 64;

/** Meta says "less than 2000 characters" without naming the unit: UTF-16 units with a margin. */
export const TEXT_UNITS_MAX = 1900;

/** Instagram counts UTF-8 bytes. */
export const INSTAGRAM_TEXT_BYTES_MAX = 1000;

/** Longest echoed id: Meta takes fewer than 1000 characters of metadata. */
export const METADATA_CHARS_MAX = 999;

/** Connections to the Graph API per origin; one call is in flight on each. */
export const GRAPH_CONNECTIONS_MAX = 64;
/** Calls waiting or in flight; above it a call is refused before anything leaves. */
export const GRAPH_CALLS_MAX = 4096;
export const GRAPH_CONNECT_TIMEOUT_MS = 10_000;
/**
 * From the last byte of the request to the head of the answer. Meta fetches attachments meanwhile
 * (10 s, videos 75 s).
 */
export const GRAPH_HEADERS_TIMEOUT_MS = 80_000;
export const GRAPH_BODY_TIMEOUT_MS = 20_000;
/** The whole call, with waiting for a connection. */
export const GRAPH_CALL_TIMEOUT_MS = 120_000;
/** Profile reads and sender actions are never worth a long wait. */
export const GRAPH_SIDE_CALL_TIMEOUT_MS = 15_000;
/** Short: a connection that Meta closes while we write makes an outcome unknown. */
export const GRAPH_KEEP_ALIVE_MS = 15_000;
/** How long a closing client waits for calls that are under way. */
export const GRAPH_CLOSE_MS = 10_000;
/** Tokens whose proof is kept. */
export const PROOFS_MAX = 10_000;
export const GRAPH_ANSWER_BYTES_MAX = 1_048_576;

/** What is shown of Meta's own words about a request that it calls wrong. */
export const META_REASON_CHARS_MAX = 300;
/** Upper end of what a usage header may make us wait. */
export const RETRY_AFTER_MS_MAX = 24 * 60 * 60 * 1000;
