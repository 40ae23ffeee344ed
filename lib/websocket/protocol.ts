// The words of RFC 6455: opcodes, close codes and the ways in which a peer can break the protocol.
// Plain values only; who decides what to do about a violation is the session.

export const OPCODE = {
  continuation: 0x0,
  text: 0x1,
  binary: 0x2,
  close: 0x8,
  ping: 0x9,
  pong: 0xa,
} as const;

/** Close codes of RFC 6455 section 7.4.1 and the IANA registry. */
export const CLOSE_CODE = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  unsupportedData: 1003,
  /** Never on the wire: the peer's close frame had no code. */
  noStatus: 1005,
  /** Never on the wire: the connection ended without a close frame. */
  abnormal: 1006,
  invalidPayload: 1007,
  policyViolation: 1008,
  messageTooBig: 1009,
  /** For clients only. */
  extensionMissing: 1010,
  internalError: 1011,
  serviceRestart: 1012,
  tryAgainLater: 1013,
  badGateway: 1014,
  /** Never on the wire. */
  tlsHandshake: 1015,
} as const;

/** A control frame's payload (RFC 6455 section 5.5). */
export const CONTROL_PAYLOAD_BYTES_MAX = 125;
/** What is left of it for the reason of a close frame, in UTF-8. */
export const CLOSE_REASON_BYTES_MAX = CONTROL_PAYLOAD_BYTES_MAX - 2;

const RESERVED_ON_THE_WIRE: ReadonlySet<number> = new Set([
  1004,
  CLOSE_CODE.noStatus,
  CLOSE_CODE.abnormal,
]);

/** True when a peer may put `code` into a close frame: 1000-1003, 1007-1014, 3000-4999. */
export function isReceivableCloseCode(code: number): boolean {
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && !RESERVED_ON_THE_WIRE.has(code);
}

/** True when a server may send `code`: as above without 1010, which only clients may use. */
export function isSendableCloseCode(code: number): boolean {
  return (
    Number.isInteger(code) && isReceivableCloseCode(code) && code !== CLOSE_CODE.extensionMissing
  );
}

/** What a peer did wrong: a stable code, the close code that answers it, and a sentence. */
export interface Violation {
  readonly code: string;
  readonly closeCode: number;
  readonly message: string;
}

function protocolError(code: string, message: string): Violation {
  return { code, closeCode: CLOSE_CODE.protocolError, message };
}

/** Every violation that the parser finds. The messages travel as close reasons. */
export const VIOLATIONS = {
  reservedBits: protocolError('ERR_WS_RESERVED_BITS', 'reserved bits must be zero'),
  compressedBit: protocolError('ERR_WS_COMPRESSED_BIT', 'RSV1 belongs to first frames of messages'),
  opcode: protocolError('ERR_WS_OPCODE', 'reserved opcode'),
  maskMissing: protocolError('ERR_WS_MASK_MISSING', 'client frames must be masked'),
  lengthForm: protocolError('ERR_WS_LENGTH_FORM', 'length is not in its shortest form'),
  lengthRange: protocolError('ERR_WS_LENGTH_RANGE', 'length has its top bit set'),
  controlLength: protocolError('ERR_WS_CONTROL_LENGTH', 'control frame above 125 bytes'),
  controlFragmented: protocolError('ERR_WS_CONTROL_FRAGMENTED', 'control frame is fragmented'),
  continuation: protocolError('ERR_WS_CONTINUATION', 'continuation without a message'),
  interleaved: protocolError('ERR_WS_INTERLEAVED', 'message begins inside another one'),
  closeLength: protocolError('ERR_WS_CLOSE_LENGTH', 'close payload of one byte'),
  closeCode: protocolError('ERR_WS_CLOSE_CODE', 'invalid close code'),
  utf8: {
    code: 'ERR_WS_UTF8',
    closeCode: CLOSE_CODE.invalidPayload,
    message: 'invalid UTF-8',
  },
  deflate: {
    code: 'ERR_WS_DEFLATE',
    closeCode: CLOSE_CODE.invalidPayload,
    message: 'compressed data is corrupt',
  },
  noMemory: {
    code: 'ERR_WS_NO_MEMORY',
    closeCode: CLOSE_CODE.internalError,
    message: 'no memory to inflate',
  },
  tooBig: {
    code: 'ERR_WS_TOO_BIG',
    closeCode: CLOSE_CODE.messageTooBig,
    message: 'message too big',
  },
} as const satisfies Record<string, Violation>;
