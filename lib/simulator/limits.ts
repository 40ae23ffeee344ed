// Bounds of the simulator: what it keeps, how long it waits, and the limits that it plays (messenger.md 4.1).

/** What Meta refuses: texts and metadata of so many characters and more. */
export const TEXT_CHARS_BELOW = 2000;
export const METADATA_CHARS_BELOW = 1000;
export const QUICK_REPLIES_MAX = 13;
export const QUICK_REPLY_TITLE_CHARS_MAX = 20;
export const QUICK_REPLY_PAYLOAD_CHARS_MAX = 1000;

export const STANDARD_WINDOW_MS = 24 * 60 * 60 * 1000;
export const HUMAN_AGENT_WINDOW_MS = 7 * STANDARD_WINDOW_MS;

/** The oldest is forgotten when one more comes. */
export const THREAD_MESSAGES_MAX = 2000;
export const CALLS_MAX = 20_000;
export const SENT_MAX = 200_000;
/** One more is refused. */
export const CUSTOMERS_MAX = 50_000;
export const NAME_CHARS_MAX = 60;
export const FAULTS_MAX = 1000;

/** Events that wait for one lane; more are lost and counted, as after Meta's hour of failures. */
export const LANE_EVENTS_MAX = 100_000;
/** Meta wants an answer in five seconds. */
export const WEBHOOK_TIMEOUT_MS = 5000;
export const WEBHOOK_BACKOFF_FIRST_MS = 100;
export const WEBHOOK_BACKOFF_MAX_MS = 5000;
/** Lanes that post at the same time. */
export const WEBHOOK_CONNECTIONS_MAX = 64;

export const GRAPH_BODY_BYTES_MAX = 1_048_576;
/** A call that is never answered is let go after this time. */
export const HANG_MS_MAX = 180_000;
export const FAULT_DELAY_MS_MAX = 600_000;

/** Shown on the phone, newest last. */
export const PHONE_MESSAGES_MAX = 200;
/** Changes within this time reach a phone as one. */
export const PHONE_REFRESH_MS = 30;
export const PHONE_MESSAGE_BYTES_MAX = 65_536;
/** Without another typing_on the indicator goes out. */
export const TYPING_MS = 20_000;
