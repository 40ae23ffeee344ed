// Bounds and waits of processes that serve together. Each has a name, and what happens at it is said
// where it is used.

export const WORKERS_MAX = 128;
export const ADDRESSES_MAX = 16;

/** Of one record on a control line, and of one on the bus. A longer one ends the line. */
export const CONTROL_BYTES_MAX = 65_536;
/** What a worker may add to its own report, as JSON. */
export const EXTRA_BYTES_MAX = 16_384;

export const READY_TIMEOUT_MS = 30_000;
export const DRAIN_WINDOW_MS = 10_000;
/** Beyond the window: for requests that are still being answered. */
export const DRAIN_REST_MS = 20_000;
export const STOP_TIMEOUT_MS = 5_000;
export const HANG_TIMEOUT_MS = 10_000;
/** Below it a busy worker would be taken for one that hangs. */
export const HANG_TIMEOUT_MS_LEAST = 500;
/** Heartbeats per hang timeout: so many in a row are missed before a worker counts as hung. */
export const BEATS_PER_HANG = 4;
export const BEAT_MS_MAX = 1_000;

/** Full jitter: the wait before a start is uniform in [0, min(most, base * 2^n)). */
export const RESTART_BASE_MS = 100;
export const RESTART_MS_MAX = 30_000;
/** A worker that was ready for so long dies without a history: its successor starts at once. */
export const STABLE_MS = 1_000;
/** So many deaths of each place in a row, and no worker ready: the supervisor gives up. */
export const CRASHES_MAX = 5;

/** Replaced workers of one place that may drain at a time; a further reload waits for one to leave. */
export const DRAINING_PER_SLOT_MAX = 8;
/** The tenth by which lifetimes differ. */
export const LIFETIME_SPREAD = 0.1;

/** How long a worker looks for a supervisor that it has lost but that lives. */
export const REJOIN_GRACE_MS = 5_000;
export const REJOIN_EVERY_MS = 100;
/** What requests get when the supervisor is gone for good: ports must be free within seconds. */
export const ABANDONED_DEADLINE_MS = 2_000;
/** What onLeave tasks have at least, though the drain has used up the worker's time. */
export const LEAVE_TASKS_MS = 5_000;

/** Who asks for a restart on the admin socket is answered first: the new version closes his connection. */
export const ANSWER_FIRST_MS = 50;
/** What the check of a new version may take, and what is kept of its output for the error. */
export const CHECK_TIMEOUT_MS = 30_000;
export const CHECK_OUTPUT_BYTES_MAX = 2_000;

/** Reading the stack of a worker that hangs. */
export const STACK_TIMEOUT_MS = 2_000;
export const STACK_FRAMES_MAX = 20;
/** As process 1: a zombie that nobody has waited for after two looks is reaped. */
export const REAP_EVERY_MS = 1_000;

/** What `connections` shows at most, and unless it is told otherwise. */
export const CONNECTIONS_MAX = 1_000;
export const CONNECTIONS_DEFAULT = 50;
/** Of the rows of one process, as JSON: they travel in one record. */
export const CONNECTIONS_BYTES_MAX = 60_000;
/** Who has not listed its connections by then is left out. */
export const CONNECTIONS_WAIT_MS = 2_000;
/** unix(7): sun_path, its final zero included, has 108. */
export const SOCKET_PATH_BYTES_MAX = 107;
