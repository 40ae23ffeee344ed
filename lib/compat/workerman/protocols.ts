// Protocols above a stream of bytes, in Workerman's form: where does a package end, what does it mean, how
// is an answer packed. Text and Frame are two of them; programs bring their own.

/** What a protocol of a program's own is: three functions, as in Workerman's ProtocolInterface. */
export interface StreamProtocol<Package = unknown> {
  /**
   * How long the package is that `buffer` begins with: 0 while that is not known, above 0 the bytes of
   * the whole package (also when they are not all there), below 0 when it is none.
   */
  input(buffer: Buffer, connection: unknown): number;
  /** @param buffer one whole package; the memory is the program's */
  decode(buffer: Buffer, connection: unknown): Package;
  encode(data: unknown, connection: unknown): string | Uint8Array;
}

const LINE_FEED = 0x0a;
const FRAME_HEAD_BYTES = 4;

/** A value as bytes: strings are UTF-8, what is neither bytes nor a string becomes one. */
export function bytesOf(data: unknown): Buffer {
  if (data instanceof Uint8Array) {
    return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  }
  return Buffer.from(String(data));
}

/** Lines that end with a line feed; a carriage return before it is taken off, too. */
export const Text: StreamProtocol<string> = {
  input: (buffer) => buffer.indexOf(LINE_FEED) + 1,
  decode: (buffer) => buffer.toString('utf8').replace(/[\r\n]+$/, ''),
  encode: (data) =>
    typeof data === 'string' ? `${data}\n` : Buffer.concat([bytesOf(data), Buffer.from('\n')]),
};

/** Four bytes of length, themselves included, big-endian; then the payload. */
export const Frame: StreamProtocol<Buffer> = {
  input(buffer) {
    if (buffer.length < FRAME_HEAD_BYTES) return 0;
    const length = buffer.readUInt32BE(0);
    return length < FRAME_HEAD_BYTES ? -1 : length;
  },
  decode: (buffer) => buffer.subarray(FRAME_HEAD_BYTES),
  encode(data) {
    const payload = bytesOf(data);
    const head = Buffer.allocUnsafe(FRAME_HEAD_BYTES);
    head.writeUInt32BE(FRAME_HEAD_BYTES + payload.length, 0);
    return Buffer.concat([head, payload]);
  },
};

/** The protocol of `websocket://`, and the values of a connection's websocketType. */
export const Websocket = {
  name: 'websocket',
  BINARY_TYPE_BLOB: '\x81',
  BINARY_TYPE_BLOB_DEFLATE: '\xc1',
  BINARY_TYPE_ARRAYBUFFER: '\x82',
  BINARY_TYPE_ARRAYBUFFER_DEFLATE: '\xc2',
} as const;

/** The protocol of `http://`. */
export const Http = { name: 'http' } as const;

export type Protocol = typeof Websocket | typeof Http | StreamProtocol;
