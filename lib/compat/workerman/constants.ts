// The numbers and words of Workerman's interface, and the bounds that the facade adds to it.

/** What getStatus() of a connection says. */
export const ConnectionStatus = {
  INITIAL: 0,
  CONNECTING: 1,
  ESTABLISHED: 2,
  ENDING: 4,
  CLOSING: 8,
  CLOSED: 16,
} as const;

/** The same in words, for getStatus(false). */
export const CONNECTION_STATUS_TEXT: Readonly<Record<number, string>> = {
  [ConnectionStatus.INITIAL]: 'INITIAL',
  [ConnectionStatus.CONNECTING]: 'CONNECTING',
  [ConnectionStatus.ESTABLISHED]: 'ESTABLISHED',
  [ConnectionStatus.ENDING]: 'ENDING',
  [ConnectionStatus.CLOSING]: 'CLOSING',
  [ConnectionStatus.CLOSED]: 'CLOSED',
};

/** What Worker.getStatus() says. */
export const WorkerStatus = {
  INITIAL: 0,
  STARTING: 1,
  RUNNING: 2,
  SHUTDOWN: 4,
  RELOADING: 8,
} as const;

/** The code that onError gets when a package was not sent. */
export const SEND_FAIL = 2;

/** `onError` text when the buffer is full; programs compare it. */
export const BUFFER_FULL_TEXT = 'send buffer full and drop package';

/** What Worker.stopAll() was given by a fault of the program, as in Workerman. */
export const EXIT_FAULT = 250;

/** maxSendBufferSize may be up to here: the engine's own queue has room for a frame beyond it. */
export const SEND_BUFFER_BYTES_MAX = 128 * 1024 * 1024;
/** maxPackageSize may be up to here. */
export const PACKAGE_BYTES_MAX = 0x3fffffff;
/** From how many pending bytes on a send looks whether the kernel has taken them. */
export const LOOK_BYTES = 64 * 1024;
