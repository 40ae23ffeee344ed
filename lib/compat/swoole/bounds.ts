// The bounds of the Swoole facade. What the engine and the server bound besides is in their own rooms.

/** A page of getClientList(). */
export const CLIENT_PAGE_MAX = 100;
export const CLIENT_PAGE_DEFAULT = 10;
/** Payload of one frame of pack(); what is sent has the server's own bound. */
export const PAYLOAD_BYTES_MAX = 0x3fffffff;
/** Connections that one process may number: with 50,000 new ones a second, 11 years. */
export const FDS_PER_WORKER = 2 ** 44;
/** So that the numbers of all workers are safe integers. */
export const WORKERS_MAX = 512;
/** Longest wait of a timer, in milliseconds: Node counts them in 31 bits. */
export const TIMER_MS_MAX = 0x7fffffff;
/** Timers that one process may have. */
export const TIMERS_MAX = 100_000;
/** How often workerExit is called while connections remain. */
export const WORKER_EXIT_MS = 1000;
/** Bytes that sendfile() reads at once, and the bound of what waits behind it. */
export const FILE_CHUNK_BYTES = 64 * 1024;
