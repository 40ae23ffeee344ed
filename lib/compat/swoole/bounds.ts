// The bounds of the Swoole facade. What the engine and the server bound besides is in their own rooms.

/** A page of getClientList(). */
export const CLIENT_PAGE_MAX = 100;
export const CLIENT_PAGE_DEFAULT = 10;
/** Payload of one frame of pack(); what is sent has the server's own bound. */
export const PAYLOAD_BYTES_MAX = 0x3fffffff;
/** Connections that one worker process may number; then it is replaced. With 1,000 a second: 99 days. */
export const FDS_PER_WORKER = 2 ** 33;
/** So that the numbers of all worker processes, each with a serial below this, are safe integers. */
export const SERIALS_MAX = 2 ** 20;
/** Tasks of one worker that are not finished; the next one is refused. */
export const TASKS_MAX = 65_536;
/** How often workers tell each other their counts. */
export const STATS_EVERY_MS = 1000;
/** Timers that one process may have. */
export const TIMERS_MAX = 100_000;
/** How often workerExit is called while connections remain. */
export const WORKER_EXIT_MS = 1000;
/** Bytes that sendfile() reads at once, and the bound of what waits behind it. */
export const FILE_CHUNK_BYTES = 64 * 1024;
/** How long taskwait() and its kin wait. */
export const TASK_TIMEOUT_SECONDS = 0.5;
export const isTaskTimeout = (seconds: number): boolean => seconds >= 0 && seconds <= 2_000_000;
