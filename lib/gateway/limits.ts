// Every bound of this room that is not a setting. What happens at each is said beside it.

/**
 * A webhook that is not durable by then is answered 503; Meta sends it again (messenger.md 1.5,
 * S01).
 */
export const WEBHOOK_ANSWER_MAX_MS = 3_000;
/** Seconds in Retry-After of a 503. */
export const RETRY_AFTER_SECONDS = 1;

/** Characters of an event's data; a longer one is stored as `unknown` without its content. */
export const EVENT_CHARS_MAX = 256 * 1024;

/** Clock difference that a token may show. */
export const TOKEN_LEEWAY_MS = 60_000;
/** A longer token is refused unread. */
export const TOKEN_CHARS_MAX = 8_192;
/** Verified tokens that are remembered; beyond it the oldest is verified again. */
export const TOKEN_CACHE_MAX = 1_024;
/** A token may name this many pages. */
export const TOKEN_PAGES_MAX = 1_000;
/** The client is told this long before its token ends. */
export const EXPIRING_MS = 60_000;

/** No `hello` by then: 4008. */
export const HELLO_TIMEOUT_MS = 10_000;
/** A request's id is 1 to this many characters. */
export const REQUEST_ID_CHARS_MAX = 128;
/** Requests of a session that wait for their turn; beyond it the session's socket is not read. */
export const REQUESTS_WAITING_MAX = 64;
/** Reading goes on when this few wait. */
export const REQUESTS_WAITING_LOW = 16;
/** A session that took no byte for this long while some were waiting: 1013. */
export const STALL_MAX_MS = 30_000;
/** A socket with so few unsent bytes takes text again, even when no drain event says so. */
export const UNBLOCK_BYTES = 32 * 1024;
/** Conversations in one snapshot message. */
export const SNAPSHOT_PART_MAX = 50;
/** Records that a session behind the head reads in one turn. */
export const CATCH_UP_RECORDS_MAX = 256;

/** Items of `list` and `history`. */
export const PAGE_LIMIT_DEFAULT = 50;
export const PAGE_LIMIT_MAX = 100;
/** A history answer ends at this many characters (but holds at least one event). */
export const HISTORY_CHARS_MAX = 512 * 1024;
/** Missed events that a `stale` refusal shows. */
export const STALE_EVENTS_MAX = 20;

/** Rounds of look, decide, append before a send gives up with `unavailable`. */
export const SEND_ROUNDS_MAX = 8;
/** Typing is forgotten after this long without a repetition. */
export const TYPING_LIFE_MS = 15_000;
/** Typing of one agent in one conversation goes out at most this often, unless it changes. */
export const TYPING_REPEAT_MS = 5_000;
/** Agents typing at once; beyond it new ones are not shown. */
export const TYPING_MAX = 10_000;

/** Sender actions (typing, mark_seen) that run at Meta at once; beyond it they are left out. */
export const ACTIONS_RUNNING_MAX = 32;

/**
 * Profile look-ups that run at once, and that wait; beyond it a name is fetched with the next
 * event.
 */
export const PROFILES_RUNNING_MAX = 4;
export const PROFILES_WAITING_MAX = 1_000;
/** A profile is not asked for again within this time, whether it was found or not. */
export const PROFILE_REPEAT_MS = 24 * 3_600_000;
/** Conversations whose profile look-up is remembered in memory. */
export const PROFILES_REMEMBERED_MAX = 10_000;

/** How often sessions are looked at for heartbeats, deadlines and stalls. */
export const SWEEP_INTERVAL_MS = 1_000;
/** How often old records are looked for, when none were left the last time. */
export const RETENTION_INTERVAL_MS = 3_600_000;
/** How often webhooks that wait for the journal are looked at. */
export const WEBHOOK_SWEEP_MS = 250;

/** Clients told to come back spread over this time when the gateway stops. */
export const DRAIN_SPREAD_MS = 10_000;
/**
 * What a graceful stop waits for: requests under way, open calls to Meta, connections that close.
 */
export const STOP_REQUESTS_MS = 5_000;
/** At least this long it takes requests that are on the wire while the clients learn of the end. */
export const STOP_DRAIN_MS = 200;
export const STOP_POSTS_MS = 5_000;
export const STOP_CLOSE_MS = 5_000;
/** How often a stop looks whether the requests under way are answered. */
export const STOP_POLL_MS = 20;

/**
 * Bytes of one append on its way to the clerk; a longer one goes in pieces, in order. A record of the
 * bus has 1 MiB, and a single record of the journal up to three bytes per character.
 */
export const APPEND_BYTES_MAX = 512 * 1024;
/** Bytes of appends that a worker has under way or waiting; beyond it they are refused. */
export const APPENDS_BYTES_TOTAL_MAX = 64 * 1024 * 1024;
/** How long an append waits for a clerk and its answer. */
export const APPEND_WAIT_MS = WEBHOOK_ANSWER_MAX_MS;
/** How often appends that wait for a clerk are looked at. */
export const CLERK_SWEEP_MS = 100;
/** How long a worker waits for the answer of a clerk that is in standby, before it asks again. */
export const CLERK_HELLO_MS = 60_000;
/** How often the clerk says where its journal stands: bounds how late a dropped commit is seen. */
export const CLERK_STATE_MS = 250;
/** A commit with more characters than this is not sent: it is read from the file. */
export const COMMIT_CHARS_MAX = 300 * 1024;
/** How often and how long a clerk tries to take the folder that the one before has just left. */
export const CLERK_OPEN_EVERY_MS = 20;
export const CLERK_OPEN_MS = 10_000;
/** A clerk that leaves for good waits so long for the workers, whose last records it stores. */
export const CLERK_LAST_MS = 4_000;
/** A worker that finds no clerk within this time ends. */
export const WORKER_CLERK_MS = 25_000;
/** Agents of a worker that leaves come back this long after they were closed, spread. */
export const WORKER_RETRY_MS = 1_000;
