// The bounds of the desk, in one place. Each has a test at the bound. Knows nothing but numbers.

/** Settled outbox messages that a conversation keeps for delivery and read marks. */
export const OUTBOX_KEPT_MAX = 50;
/**
 * Messages of one conversation that may wait to be sent; further sends are refused as
 * rate_limited.
 */
export const QUEUED_MAX = 100;
/**
 * seqs of unread messages that are kept; above it `unread` still counts. When it is reached the oldest
 * are dropped down to UNREAD_SEQS_KEPT at once: one by one would move all others with each message.
 */
export const UNREAD_SEQS_MAX = 600;
export const UNREAD_SEQS_KEPT = 500;
/** Edits and deletions that are remembered by mid. */
export const MID_CHANGES_MAX = 32;
/** Alarms that a Page's row remembers; there are eight kinds. */
export const ALARMS_MAX = 16;
/** Characters of the newest message that a list shows. */
export const LAST_TEXT_MAX = 200;

/** UTF-16 units of a text that an agent may send; it is split for Meta. */
export const TEXT_CHARS_MAX = 20_000;
export const QUICK_REPLIES_MAX = 13;
export const QUICK_REPLY_TITLE_CHARS_MAX = 20;
export const QUICK_REPLY_PAYLOAD_CHARS_MAX = 1000;
export const ATTACHMENT_URL_CHARS_MAX = 2048;
export const REPLY_TO_CHARS_MAX = 512;
/** What a refused send is told to wait when the conversation's queue is full. */
export const QUEUE_FULL_RETRY_MS = 5000;

const HOUR_MS = 3_600_000;
/**
 * Standard window after the customer's last action, and the safety kept at its edge (messenger.md
 * 4.2).
 */
export const STANDARD_WINDOW_MS = 24 * HOUR_MS;
export const HUMAN_AGENT_WINDOW_MS = 7 * 24 * HOUR_MS;
export const WINDOW_SAFETY_MS = 60_000;
