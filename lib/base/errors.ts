// The registry of error codes that Sluice throws, and the one error class that carries them.
// docs/errors.md lists the same codes; a test compares both ways. Knows nothing of any room above.

/** Every code with the sentence that explains it to a person. Declared once, documented once. */
export const ERROR_CODES = {
  ERR_ARG_TYPE: 'An argument has the wrong type.',
  ERR_ARG_RANGE: 'An argument is outside its permitted range.',
  ERR_STATE: 'The call is not allowed in the current state of the object.',
  ERR_CLOSED: 'The object is closed.',
  ERR_SYSTEM: 'The operating system refused a call; errno and syscall say which.',
  ERR_DESCRIPTOR: 'The descriptor is not of the kind that the call needs.',
  ERR_NATIVE_MISSING: 'The native addon could not be loaded.',
  ERR_CODEC_MISSING: 'The addon for TLS and permessage-deflate could not be loaded.',
  ERR_TLS_FILE: 'A file that a TLS option names cannot be read.',
  ERR_TLS_CERTIFICATE: 'A TLS certificate, its chain or an authority cannot be used.',
  ERR_TLS_KEY: 'A TLS key cannot be read, or does not belong to its certificate.',
  ERR_TLS_SETTING: 'The TLS versions and ciphers leave nothing to speak with.',
  ERR_CONFIG: 'The configuration is not valid.',
  ERR_JOURNAL_UNAVAILABLE: 'The journal cannot take records now; nothing was stored.',
  ERR_JOURNAL_FATAL: 'The journal can no longer vouch for what it wrote; the process must end.',
  ERR_JOURNAL_FORMAT: 'The journal was written by a version that this one cannot read.',
  ERR_UNSUPPORTED: 'The call belongs to an interface that is served in part only.',
  ERR_RUNNING: 'Another process holds the pid file.',
  ERR_CRASH_LOOP: 'The workers die again and again; the message says how the last one did.',
  ERR_REMOTE: 'The handler of a request in another worker failed.',
  ERR_TIMEOUT: 'A wait reached its bound.',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorDetails {
  /** Negative errno of the failed call, if the kernel was the cause. */
  readonly errno?: number;
  readonly syscall?: string;
  readonly cause?: unknown;
}

/**
 * An error with a stable code. Programs decide on `code`, never on the message.
 * @param code one of ERROR_CODES
 * @param message one sentence for a person; without it the registry's text is used
 */
export class SluiceError extends Error {
  readonly code: ErrorCode;
  readonly errno: number | undefined;
  readonly syscall: string | undefined;

  constructor(code: ErrorCode, message: string = ERROR_CODES[code], details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'SluiceError';
    this.code = code;
    this.errno = details.errno;
    this.syscall = details.syscall;
  }
}

/** True when `value` is a SluiceError, of that code if one is given. */
export function isSluiceError(value: unknown, code?: ErrorCode): value is SluiceError {
  return value instanceof SluiceError && (code === undefined || value.code === code);
}
