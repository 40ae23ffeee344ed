// One open WebSocket below its public face: the owner of its transport, what the receiver finds, and the
// closing handshake in the order of the `ws` API.
//
//   OPEN --close()--> Close ->, CLOSING --<- Close--> FIN --<- FIN--> CLOSED
//    |--<- Close--> Close ->, CLOSING, FIN --<- FIN--> CLOSED
//    |--fault--> Close 1002/1007/1008/1009 ->, CLOSING, FIN, `error` --<- FIN--> CLOSED
//    '--<- FIN--> CLOSING, FIN --> CLOSED (1006)
//   every wait in CLOSING ends after closeTimeout; terminate() does not wait at all

import type { EventEmitter } from 'node:events';
import { HIGH_WATER_BYTES } from '../../native/layout.ts';
import type { ConnectionOwner } from '../../net/types.ts';
import { CLOSE_CODE, OPCODE } from '../../websocket/protocol.ts';
import type { Compression } from './compression.ts';
import { READY_STATE } from './constants.ts';
import { raiseUncaught } from './raise.ts';
import type { ReceiveFault } from './receive-error.ts';
import { type MessageData, Receiver, type ReceiverOptions, type ReceiverSink } from './receiver.ts';
import { Sender, type SenderHost } from './sender.ts';
import type { Taken, Transport } from './transport.ts';

export interface LinkOptions extends ReceiverOptions {
  readonly closeTimeout: number;
  readonly autoPong: boolean;
  readonly maxPendingAutoPongs: number;
  readonly allowSynchronousEvents: boolean;
}

/** The events of a socket with their arguments. `close` is the last one, exactly once. */
export interface WebSocketEvents {
  open: [];
  message: [data: MessageData, isBinary: boolean];
  ping: [data: Buffer];
  pong: [data: Buffer];
  error: [error: Error];
  close: [code: number, reason: Buffer];
}

const NO_BYTES = Buffer.alloc(0);

export class SocketLink implements ConnectionOwner, ReceiverSink, SenderHost {
  readonly transport: Transport;
  readonly sender: Sender;
  readonly receiver: Receiver;
  state: number = READY_STATE.OPEN;
  isPaused = false;
  closeFrameSent = false;
  closeFrameReceived = false;
  /** Our FIN is on its way, or the connection is gone. */
  isFinished = false;
  #whenFinished: (() => void) | undefined;
  readonly #events: EventEmitter<WebSocketEvents>;
  readonly #options: LinkOptions;
  readonly #release: () => void;
  #closeCode: number = CLOSE_CODE.abnormal;
  #closeReason: Buffer = NO_BYTES;
  #hasEmittedError = false;
  #pendingPongs = 0;
  #lastPongEnd = 0;
  /** With allowSynchronousEvents off: bytes behind the event of this turn. */
  #stash: Buffer | undefined;
  /** The transport is gone, but the stash holds events. */
  #isGone = false;

  constructor(
    taken: Taken,
    events: EventEmitter<WebSocketEvents>,
    options: LinkOptions,
    compression?: Compression,
  ) {
    const { transport, carrier } = taken;
    this.transport = transport;
    // Callbacks wait for the last byte, so that is when a drain should be told.
    transport.setMarks(HIGH_WATER_BYTES, 1);
    this.#release = taken.release;
    this.#events = events;
    this.#options = options;
    this.sender = new Sender(transport, carrier, this, compression);
    this.receiver = new Receiver(this, options, carrier, compression?.inflater);
  }

  // ---- the socket's side -------------------------------------------------

  /** @param payload of the close frame */
  close(payload: Uint8Array): void {
    if (this.state === READY_STATE.CLOSED) return;
    if (this.state === READY_STATE.CLOSING) {
      this.#endIfDone();
      return;
    }
    this.state = READY_STATE.CLOSING;
    this.transport.setDeadline(this.#options.closeTimeout);
    this.sender.close(payload, () => {
      this.closeFrameSent = true;
      this.#endIfDone();
    });
  }

  terminate(): void {
    if (this.state === READY_STATE.CLOSED) return;
    this.state = READY_STATE.CLOSING;
    this.transport.drop();
  }

  /** @param callback called once isFinished is true */
  whenFinished(callback: () => void): void {
    this.#whenFinished = callback;
  }

  pause(): void {
    if (this.state === READY_STATE.CLOSED) return;
    this.isPaused = true;
    this.transport.pause();
  }

  resume(): void {
    if (this.state === READY_STATE.CLOSED) return;
    this.isPaused = false;
    if (this.#stash === undefined) this.transport.resume();
  }

  // ---- ConnectionOwner ---------------------------------------------------

  onData(_connection: unknown, bytes: Buffer, start: number, end: number): void {
    if (this.#stash !== undefined) {
      this.#stash = Buffer.concat([this.#stash, bytes.subarray(start, end)]);
      return;
    }
    const at = this.receiver.push(bytes, start, end);
    if (at < end) this.#defer(Buffer.from(bytes.subarray(at, end)));
  }

  onEnd(): void {
    if (this.state === READY_STATE.OPEN) this.transport.setDeadline(this.#options.closeTimeout);
    this.state = READY_STATE.CLOSING;
    this.#end();
  }

  onDrain(): void {
    if (!this.sender.settle()) this.sender.waitForDrain();
  }

  onDeadline(): void {
    this.transport.drop();
  }

  onClose(): void {
    this.state = READY_STATE.CLOSING;
    this.#finishWriting();
    this.#release();
    this.sender.fail(new Error('The connection was closed before the message was sent'));
    if (this.#stash !== undefined) this.#isGone = true;
    else this.#finish();
  }

  /** A listener threw: as with `ws` the error is nobody's; its socket has lost its place in the stream. */
  onFailure(_connection: unknown, error: unknown): void {
    raiseUncaught(error);
    this.receiver.end();
    this.#stash = undefined;
    this.close(closePayload(CLOSE_CODE.internalError));
  }

  // ---- ReceiverSink ------------------------------------------------------

  onMessage(data: MessageData, isBinary: boolean): void {
    if (!this.#options.allowSynchronousEvents) this.receiver.stop();
    this.#events.emit('message', data, isBinary);
  }

  onPing(payload: Buffer): void {
    if (!this.#options.allowSynchronousEvents) this.receiver.stop();
    if (this.#options.autoPong && this.state === READY_STATE.OPEN) this.#pong(payload);
    this.#events.emit('ping', payload);
  }

  onPong(payload: Buffer): void {
    if (!this.#options.allowSynchronousEvents) this.receiver.stop();
    this.#events.emit('pong', payload);
  }

  onCloseFrame(code: number, reason: Buffer): void {
    this.closeFrameReceived = true;
    this.#closeCode = code;
    this.#closeReason = reason;
    // Whoever has paused must see the end all the same.
    this.transport.resume();
    this.close(code === CLOSE_CODE.noStatus ? NO_BYTES : closePayload(code, reason));
  }

  onFault({ error, closeCode }: ReceiveFault): void {
    this.transport.resume();
    this.close(closePayload(closeCode));
    this.#emitError(error);
  }

  // ---- SenderHost --------------------------------------------------------

  onSendError(error: Error): void {
    if (this.state === READY_STATE.CLOSED) return;
    if (this.state === READY_STATE.OPEN) this.transport.setDeadline(this.#options.closeTimeout);
    this.state = READY_STATE.CLOSING;
    this.#end();
    this.#emitError(error);
  }

  onOverflow(error: Error): void {
    if (this.state === READY_STATE.CLOSED) return;
    this.state = READY_STATE.CLOSING;
    this.transport.drop();
    this.#emitError(error);
  }

  // ------------------------------------------------------------------------

  #pong(payload: Buffer): void {
    const { maxPendingAutoPongs } = this.#options;
    if (this.sender.hasTaken(this.#lastPongEnd)) this.#pendingPongs = 0;
    if (maxPendingAutoPongs > 0 && this.#pendingPongs >= maxPendingAutoPongs) {
      this.terminate();
      return;
    }
    this.#pendingPongs++;
    this.sender.control(OPCODE.pong, payload);
    this.#lastPongEnd = this.sender.outstandingEnd;
  }

  /** Our close frame is out, and nothing more will come that we want. */
  #endIfDone(): void {
    if (this.closeFrameSent && this.receiver.isEnded) this.#end();
  }

  #end(): void {
    this.transport.end();
    this.#finishWriting();
  }

  #finishWriting(): void {
    this.isFinished = true;
    const callback = this.#whenFinished;
    this.#whenFinished = undefined;
    if (callback !== undefined) process.nextTick(callback);
  }

  #emitError(error: Error): void {
    if (this.#hasEmittedError) return;
    this.#hasEmittedError = true;
    this.#events.emit('error', error);
  }

  /** Goes on with `rest` in a turn of its own; nothing is read meanwhile. */
  #defer(rest: Buffer): void {
    if (this.#stash === undefined && !this.#isGone) this.transport.pause();
    this.#stash = rest;
    setImmediate(() => this.#continue());
  }

  #continue(): void {
    const stash = this.#stash;
    if (stash === undefined) {
      if (this.#isGone) this.#finish();
      return;
    }
    this.#stash = undefined;
    try {
      const at = this.receiver.push(stash, 0, stash.length);
      if (at < stash.length) {
        this.#defer(stash.subarray(at));
        return;
      }
    } catch (error) {
      this.onFailure(this.transport, error);
    }
    if (this.#isGone) this.#finish();
    else if (!this.isPaused) this.transport.resume();
  }

  #finish(): void {
    this.state = READY_STATE.CLOSED;
    this.receiver.end();
    this.#events.emit('close', this.#closeCode, this.#closeReason);
  }
}

/** The payload of a close frame with a code that may be sent. */
export function closePayload(code: number, reason: string | Uint8Array = NO_BYTES): Buffer {
  const bytes = typeof reason === 'string' ? Buffer.from(reason) : reason;
  const payload = Buffer.allocUnsafe(2 + bytes.length);
  payload.writeUInt16BE(code, 0);
  payload.set(bytes, 2);
  return payload;
}
