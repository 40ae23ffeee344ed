// The outgoing half of a socket: messages become frames on a transport, in order, also behind a Blob whose
// bytes are still being read, and callbacks are called once the kernel has the bytes.

import {
  type FramePort,
  headerLength,
  SEND_BYTES_MAX,
  SHORT_TEXT_LENGTH_MAX,
  writeHeader,
} from '../../websocket/frame-encoder.ts';
import { OPCODE } from '../../websocket/protocol.ts';
import type { Compression } from './compression.ts';
import { raiseUncaught } from './raise.ts';
import type { Carrier, Transport } from './transport.ts';

export type SendCallback = (error?: Error) => void;

export type Payload = string | Uint8Array | Blob;

/** What the sender tells its socket. */
export interface SenderHost {
  /** A Blob could not be read: nothing more can be sent. */
  onSendError(error: Error): void;
  /** The peer owes too much for another frame, of which a part may be written: the stream is over. */
  onOverflow(error: Error): void;
}

const FINAL = 0x80;
const COMPRESSED = 0x40;
const OPCODE_BITS = 0x0f;
/** In the place of a first byte: the payload is a whole frame. */
const MADE = -1;
const NO_BYTES = Buffer.alloc(0);
/** A text of so many units is at most SEND_BYTES_MAX bytes of UTF-8. */
const TEXT_LENGTH_MAX = Math.floor(SEND_BYTES_MAX / 3);

interface Job {
  readonly first: number;
  readonly payload: Payload;
  readonly length: number;
  readonly callback: SendCallback | undefined;
}

interface Callback {
  /** Bytes of this sender that the kernel must have taken before. */
  readonly end: number;
  readonly call: SendCallback;
}

export class Sender implements FramePort {
  /** Bytes that wait behind a Blob. */
  queuedBytes = 0;
  readonly #transport: Transport;
  readonly #carrier: Carrier;
  readonly #host: SenderHost;
  readonly #compression: Compression | undefined;
  /** All bytes written so far. */
  #written = 0;
  #isInMessage = false;
  /** While a Blob is read, what was sent behind it. */
  #jobs: Job[] | undefined;
  #callbacks: Callback[] = [];
  #isWaiting = false;
  #isClosed = false;

  constructor(
    transport: Transport,
    carrier: Carrier,
    host: SenderHost,
    compression: Compression | undefined,
  ) {
    this.#transport = transport;
    this.#carrier = carrier;
    this.#host = host;
    this.#compression = compression;
  }

  /**
   * Sends a message, or a fragment of one. @param isFinal the message ends with it
   * @param compress false sends it as it is, whatever was agreed on
   */
  message(
    payload: Payload,
    isBinary: boolean,
    isFinal: boolean,
    callback: SendCallback | undefined,
    compress = true,
  ): void {
    const isWhole = isFinal && !this.#isInMessage;
    const opcode = this.#isInMessage ? OPCODE.continuation : isBinary ? OPCODE.binary : OPCODE.text;
    this.#isInMessage = !isFinal;
    // A fragment goes as it is: the codec compresses whole messages.
    const rsv1 = isWhole && compress && this.#compression !== undefined ? COMPRESSED : 0;
    this.#submit((isFinal ? FINAL : 0) | rsv1 | opcode, payload, callback);
  }

  /** @param payload at most 125 bytes */
  control(opcode: number, payload: Payload, callback?: SendCallback): void {
    this.#submit(FINAL | opcode, payload, callback);
  }

  /**
   * Writes a frame that somebody else has made, as Socket.IO does for a broadcast: it makes the frame once
   * and hands it to what `ws` calls `_sender`.
   */
  sendFrame(pieces: readonly (string | Uint8Array)[], callback?: SendCallback): void {
    const bytes = pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece));
    this.#submit(
      MADE,
      bytes.length === 1 ? (bytes[0] ?? NO_BYTES) : Buffer.concat(bytes),
      callback,
    );
  }

  /** @param payload of the close frame. @param written called once the frame is on its way */
  close(payload: Uint8Array, written: () => void): void {
    const first = FINAL | OPCODE.close;
    if (this.#jobs !== undefined) {
      const callback = (error?: Error): void => (error === undefined ? written() : undefined);
      this.#submit(first, payload, callback);
    } else if (this.#frame(first, payload) >= 0) written();
  }

  /** Bytes that the peer's kernel side has not taken, the last one included. */
  get outstandingEnd(): number {
    return this.#written;
  }

  /** True when everything up to `end` was taken. */
  hasTaken(end: number): boolean {
    return this.#written - this.#transport.pendingBytes >= end;
  }

  // ---- Waiting -----------------------------------------------------------

  settle(): boolean {
    this.#isWaiting = false;
    const taken = this.#written - this.#transport.pendingBytes;
    const callbacks = this.#callbacks;
    let due = 0;
    while (due < callbacks.length && (callbacks[due]?.end ?? 0) <= taken) due++;
    if (due > 0) this.#callbacks = callbacks.slice(due);
    for (let i = 0; i < due; i++) invoke(callbacks[i]?.call, undefined);
    return this.#callbacks.length === 0 || this.#isWaiting;
  }

  waitForDrain(): void {
    this.#transport.noticeDrain();
  }

  /** The connection is gone: whatever waits is told so. */
  fail(error: Error): void {
    this.#isClosed = true;
    this.#compression?.deflater.end();
    const callbacks = this.#callbacks;
    const jobs = this.#jobs;
    this.#callbacks = [];
    this.#jobs = undefined;
    for (const { call } of callbacks) invoke(call, error);
    for (const { callback } of jobs ?? []) invoke(callback, error);
  }

  // ---- FramePort ---------------------------------------------------------

  reserve(length: number): number {
    return this.#transport.reserve(length);
  }

  commit(length: number): number {
    this.#written += length;
    return this.#transport.commit(length);
  }

  write(bytes: Uint8Array): number {
    this.#written += bytes.length;
    return this.#transport.write(bytes);
  }

  // ------------------------------------------------------------------------

  #submit(first: number, payload: Payload, callback: SendCallback | undefined): void {
    if (this.#jobs === undefined && !(payload instanceof Blob)) {
      this.#write(first, payload, callback);
      return;
    }
    const job = { first, payload, length: lengthOf(payload), callback };
    this.queuedBytes += job.length;
    if (this.#jobs !== undefined) this.#jobs.push(job);
    else {
      this.#jobs = [job];
      this.#run();
    }
  }

  /** Works the queue off until it is empty or begins with a Blob, whose bytes must be read first. */
  #run(): void {
    while (this.#jobs !== undefined) {
      const job = this.#jobs[0];
      if (job === undefined) {
        this.#jobs = undefined;
        return;
      }
      if (job.payload instanceof Blob) {
        this.#read(job, job.payload);
        return;
      }
      this.#jobs.shift();
      this.queuedBytes -= job.length;
      this.#write(job.first, job.payload, job.callback);
    }
  }

  #read(job: Job, blob: Blob): void {
    blob.arrayBuffer().then(
      (bytes) => {
        // After fail() the job's callback was told already.
        if (this.#jobs === undefined) return;
        this.#jobs[0] = { ...job, payload: new Uint8Array(bytes) };
        this.#run();
      },
      (error: Error) => this.#broken(error),
    );
  }

  #write(first: number, payload: string | Uint8Array, callback: SendCallback | undefined): void {
    const result = this.#frame(first, payload);
    if (result < 0) this.#refused(result, callback);
    else if (callback !== undefined) {
      this.#callbacks.push({ end: this.#written, call: callback });
      if (this.#isWaiting) return;
      this.#isWaiting = true;
      this.#carrier.acknowledgements.add(this);
    }
  }

  #frame(first: number, payload: string | Uint8Array): number {
    const { encoder } = this.#carrier;
    if (first === MADE) return this.write(payload as Uint8Array);
    const compression = this.#compression;
    if ((first & COMPRESSED) !== 0 && compression !== undefined) {
      if (compression.wants(payload)) {
        return compression.deflater.write(this, encoder, first & OPCODE_BITS, payload);
      }
      first &= ~COMPRESSED;
    }
    if (typeof payload === 'string') {
      if (first !== (FINAL | OPCODE.text)) return this.#plainFrame(first, Buffer.from(payload));
      if (payload.length <= SHORT_TEXT_LENGTH_MAX) return encoder.shortText(this, payload);
      if (payload.length <= TEXT_LENGTH_MAX) return encoder.text(this, payload);
      return this.#plainFrame(first, Buffer.from(payload));
    }
    if (first >= FINAL && payload.length <= SEND_BYTES_MAX) {
      return encoder.bytes(this, first & OPCODE_BITS, payload);
    }
    return this.#plainFrame(first, payload);
  }

  /** A frame that the encoder has no function for: a fragment, or one of enormous size. */
  #plainFrame(first: number, payload: Uint8Array): number {
    const header = Buffer.allocUnsafe(headerLength(payload.length));
    writeHeader(header, 0, 0, payload.length);
    header[0] = first;
    const refused = this.write(header);
    return refused < 0 ? refused : this.write(payload);
  }

  #refused(errno: number, callback: SendCallback | undefined): void {
    const error = new Error(`The message could not be sent (${errno})`);
    if (callback !== undefined) setImmediate(() => invoke(callback, error));
    // A connection that is closing or gone says so itself; one that owes too much cannot go on.
    if (this.#transport.isOpen && !this.#isClosed) this.#host.onOverflow(error);
  }

  #broken(error: Error): void {
    const jobs = this.#jobs;
    if (jobs === undefined) return;
    this.#jobs = undefined;
    this.queuedBytes = 0;
    for (const { callback } of jobs) invoke(callback, error);
    try {
      this.#host.onSendError(error);
    } catch (second) {
      raiseUncaught(second);
    }
  }
}

function lengthOf(payload: Payload): number {
  if (typeof payload === 'string') return Buffer.byteLength(payload);
  return payload instanceof Blob ? payload.size : payload.byteLength;
}

/** What a callback throws is raised by itself: the others must be called all the same. */
function invoke(callback: SendCallback | undefined, error: Error | undefined): void {
  if (callback === undefined) return;
  try {
    if (error === undefined) callback();
    else callback(error);
  } catch (thrown) {
    raiseUncaught(thrown);
  }
}
