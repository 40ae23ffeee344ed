// Everything that is sent to a connection by its number. The outcome is a boolean, as in Swoole; why it was
// false, and whether what was taken waits for a slow peer, can be asked for afterwards.

import { closeSync } from 'node:fs';
import { isSluiceError, SluiceError } from '../../base/errors.ts';
import type { SendOutcome, ServerSocket } from '../../server/types.ts';
import { Socket } from '../../server/websocket/socket.ts';
import { CONTROL_PAYLOAD_BYTES_MAX, isSendableCloseCode } from '../../websocket/protocol.ts';
import type { Client, ClientTable } from './clients.ts';
import {
  SWOOLE_ERROR_DATA_LENGTH_TOO_LARGE,
  SWOOLE_ERROR_FILE_NOT_EXIST,
  SWOOLE_ERROR_OPERATION_NOT_SUPPORT,
  SWOOLE_ERROR_OUTPUT_BUFFER_OVERFLOW,
  SWOOLE_ERROR_SESSION_CLOSED,
  SWOOLE_ERROR_SESSION_NOT_EXIST,
  SWOOLE_ERROR_WEBSOCKET_BAD_OPCODE,
  SWOOLE_ERROR_WEBSOCKET_PACK_FAILED,
  SWOOLE_ERROR_WEBSOCKET_UNCONNECTED,
  SWOOLE_WEBSOCKET_FLAG_COMPRESS,
  SWOOLE_WEBSOCKET_FLAG_FIN,
  WEBSOCKET_OPCODE_BINARY,
  WEBSOCKET_OPCODE_CLOSE,
  WEBSOCKET_OPCODE_CONTINUATION,
  WEBSOCKET_OPCODE_PING,
  WEBSOCKET_OPCODE_PONG,
  WEBSOCKET_OPCODE_TEXT,
  WEBSOCKET_STATUS_CLOSING,
} from './constants.ts';
import { CloseFrame, Frame, type FrameData, flagsOf } from './frame.ts';
import type { Relay } from './relay.ts';
import { type AnswerSink, openFile, Response } from './response.ts';

/** The flags that a server may send: RFC 6455 has no use for the others. */
const FLAGS = SWOOLE_WEBSOCKET_FLAG_FIN | SWOOLE_WEBSOCKET_FLAG_COMPRESS;

const OPCODES: ReadonlySet<number> = new Set([
  ...[WEBSOCKET_OPCODE_CONTINUATION, WEBSOCKET_OPCODE_TEXT, WEBSOCKET_OPCODE_BINARY],
  ...[WEBSOCKET_OPCODE_PING, WEBSOCKET_OPCODE_PONG],
]);
/** Behind the code of a close frame. */
const REASON_BYTES_MAX = CONTROL_PAYLOAD_BYTES_MAX - 2;

const OPTIONS = [
  { binary: false, compress: false },
  { binary: false, compress: true },
  { binary: true, compress: false },
  { binary: true, compress: true },
] as const;

export class Sending {
  /** One of SWOOLE_ERROR_…, 0 when the last call was good. */
  lastError = 0;
  /** Of the last push() or send(). */
  lastOutcome: SendOutcome = 'sent';
  /** For connections of other workers; undefined in a server of one process. */
  relay: Relay | undefined;
  /** Bytes that one call may send. */
  readonly #bytesMax: () => number;
  readonly #clients: ClientTable;

  constructor(clients: ClientTable, bytesMax: () => number) {
    this.#clients = clients;
    this.#bytesMax = bytesMax;
  }

  push(fd: number, data: Frame | FrameData, opcode: number, flags: number): boolean {
    if (data instanceof CloseFrame) return this.disconnect(fd, data.code, data.reason);
    if (data instanceof Frame) return this.push(fd, data.data, data.opcode, flagsOf(data));
    if (opcode === WEBSOCKET_OPCODE_CLOSE) return this.disconnect(fd, 1000, String(data));
    requireData(data);
    if (this.relay?.isOther(fd) === true) {
      const flaw = this.#flawOf(data, opcode, flags);
      return this.#relayed(flaw === 0 ? this.relay.push(fd, data, opcode, flags) : flaw);
    }
    const client = this.#established(fd);
    if (client?.socket === undefined) return false;
    const flaw = this.#flawOf(data, opcode, flags);
    if (flaw !== 0) return this.#failed(flaw);
    if (opcode > WEBSOCKET_OPCODE_BINARY) return this.#control(client, opcode, data);
    const isWhole = client.stream === undefined && (flags & SWOOLE_WEBSOCKET_FLAG_FIN) !== 0;
    if (!isWhole || opcode === WEBSOCKET_OPCODE_CONTINUATION) {
      return this.#piece(client, client.socket, data, opcode, flags);
    }
    if (opcode !== WEBSOCKET_OPCODE_TEXT && opcode !== WEBSOCKET_OPCODE_BINARY) {
      return this.#failed(SWOOLE_ERROR_WEBSOCKET_BAD_OPCODE);
    }
    const compress = (flags & SWOOLE_WEBSOCKET_FLAG_COMPRESS) !== 0 ? 1 : 0;
    const options = OPTIONS[opcode === WEBSOCKET_OPCODE_BINARY ? 2 + compress : compress];
    return this.#settled(client, client.socket.send(data, options));
  }

  ping(fd: number, data: FrameData): boolean {
    if (this.relay?.isOther(fd) === true) {
      const flaw = this.#flawOf(data, WEBSOCKET_OPCODE_PING, SWOOLE_WEBSOCKET_FLAG_FIN);
      return this.#relayed(flaw === 0 ? this.relay.call('ping', true, [fd, data]) : flaw);
    }
    const client = this.#established(fd);
    return client !== undefined && this.#control(client, WEBSOCKET_OPCODE_PING, data);
  }

  disconnect(fd: number, code: number, reason: string): boolean {
    if (this.relay?.isOther(fd) === true) {
      const isGood = isSendableCloseCode(code) && Buffer.byteLength(reason) <= REASON_BYTES_MAX;
      const error = isGood
        ? this.relay.call('disconnect', true, [fd, code, reason])
        : SWOOLE_ERROR_WEBSOCKET_PACK_FAILED;
      return this.#relayed(error);
    }
    const client = this.#established(fd);
    if (client === undefined) return false;
    try {
      client.socket?.close(code, reason);
    } catch (error) {
      if (!isSluiceError(error)) throw error;
      return this.#failed(SWOOLE_ERROR_WEBSOCKET_PACK_FAILED);
    }
    client.isClosedByUs = true;
    client.status = WEBSOCKET_STATUS_CLOSING;
    this.#clients.onChange(fd);
    return this.#good();
  }

  /** Bytes as they are, whatever the connection speaks. */
  send(fd: number, data: FrameData): boolean {
    requireData(data);
    if (this.relay?.isOther(fd) === true) {
      const isTooLarge = data.length > this.#bytesMax();
      const error = isTooLarge
        ? SWOOLE_ERROR_DATA_LENGTH_TOO_LARGE
        : this.relay.call('send', false, [fd, data]);
      return this.#relayed(error);
    }
    const client = this.#present(fd);
    if (client === undefined) return false;
    const bytes = Buffer.from(data);
    if (bytes.length > this.#bytesMax()) return this.#failed(SWOOLE_ERROR_DATA_LENGTH_TOO_LARGE);
    const isTaken = client.raw?.send(bytes) ?? writeRaw(client, bytes);
    if (!isTaken) return this.#settled(client, 'dropped');
    const { highWaterBytes } = client.port;
    const isQueued = client.connection.pendingBytes >= highWaterBytes;
    return this.#settled(client, isQueued ? 'queued' : 'sent');
  }

  /** Of a port without a protocol; an HTTP answer has its own sendfile(). */
  sendFile(fd: number, path: string, offset: number, length: number): boolean {
    if (this.relay?.isOther(fd) === true) {
      return this.#relayed(this.relay.call('sendfile', false, [fd, path, offset, length]));
    }
    const client = this.#present(fd);
    if (client === undefined) return false;
    if (client.raw === undefined) return this.#failed(SWOOLE_ERROR_OPERATION_NOT_SUPPORT);
    const file = openFile(path, offset, length);
    if (file === undefined) return this.#failed(SWOOLE_ERROR_FILE_NOT_EXIST);
    if (file.length > 0 && client.raw.sendFile(file.fd, offset, file.length)) return this.#good();
    closeSync(file.fd);
    return file.length === 0 ? this.#good() : this.#failed(SWOOLE_ERROR_OUTPUT_BUFFER_OVERFLOW);
  }

  /** @param reset drops what is queued, and does without a closing handshake */
  close(fd: number, reset: boolean): boolean {
    if (this.relay?.isOther(fd) === true) {
      return this.#relayed(this.relay.call('close', false, [fd, reset]));
    }
    const client = this.#present(fd);
    if (client === undefined) return false;
    endClient(client, reset);
    return this.#good();
  }

  /** What is handed over waits: its outcome is the other worker's. */
  #relayed(error: number): boolean {
    if (error !== 0) return this.#failed(error);
    this.lastOutcome = 'queued';
    return this.#good();
  }

  /** What nobody may send. */
  #flawOf(data: FrameData, opcode: number, flags: number): number {
    if (data.length > this.#bytesMax()) return SWOOLE_ERROR_DATA_LENGTH_TOO_LARGE;
    if ((flags & ~FLAGS) !== 0) return SWOOLE_ERROR_WEBSOCKET_PACK_FAILED;
    if (!OPCODES.has(opcode)) return SWOOLE_ERROR_WEBSOCKET_BAD_OPCODE;
    if (opcode <= WEBSOCKET_OPCODE_BINARY) return 0;
    const isTooLong = Buffer.byteLength(data) > CONTROL_PAYLOAD_BYTES_MAX;
    return isTooLong ? SWOOLE_ERROR_WEBSOCKET_PACK_FAILED : 0;
  }

  #present(fd: number): Client | undefined {
    const client = this.#clients.get(fd);
    if (client === undefined) this.#failed(SWOOLE_ERROR_SESSION_NOT_EXIST);
    else if (!client.connection.isOpen) this.#failed(SWOOLE_ERROR_SESSION_CLOSED);
    else return client;
    return undefined;
  }

  #established(fd: number): Client | undefined {
    const client = this.#clients.get(fd);
    if (client === undefined) this.#failed(SWOOLE_ERROR_SESSION_NOT_EXIST);
    else if (client.socket === undefined) this.#failed(SWOOLE_ERROR_WEBSOCKET_UNCONNECTED);
    else if (!client.socket.isOpen) this.#failed(SWOOLE_ERROR_SESSION_CLOSED);
    else return client;
    return undefined;
  }

  #control(client: Client, opcode: number, data: FrameData): boolean {
    const payload = Buffer.from(data);
    if (opcode !== WEBSOCKET_OPCODE_PING && opcode !== WEBSOCKET_OPCODE_PONG) {
      return this.#failed(SWOOLE_ERROR_WEBSOCKET_BAD_OPCODE);
    }
    if (payload.length > CONTROL_PAYLOAD_BYTES_MAX) {
      return this.#failed(SWOOLE_ERROR_WEBSOCKET_PACK_FAILED);
    }
    const link = Socket.linkOf(client.socket);
    return this.#settled(client, link?.sendBytes(opcode, payload) ?? 'dropped');
  }

  /** A frame of a message that is sent in several (RFC 6455 section 5.4). */
  #piece(
    client: Client,
    socket: ServerSocket<Client>,
    data: FrameData,
    opcode: number,
    flags: number,
  ): boolean {
    const isFirst = opcode !== WEBSOCKET_OPCODE_CONTINUATION;
    if (isFirst !== (client.stream === undefined)) {
      return this.#failed(SWOOLE_ERROR_WEBSOCKET_BAD_OPCODE);
    }
    client.stream ??= socket.stream({ binary: opcode === WEBSOCKET_OPCODE_BINARY });
    const isLast = (flags & SWOOLE_WEBSOCKET_FLAG_FIN) !== 0;
    const outcome = isLast ? client.stream.end(data) : client.stream.write(data);
    if (isLast && outcome !== 'dropped') client.stream = undefined;
    return this.#settled(client, outcome);
  }

  #settled(client: Client, outcome: SendOutcome): boolean {
    this.lastOutcome = outcome;
    if (outcome !== 'dropped') client.lastSentAt = Date.now();
    if (outcome !== 'sent' && client.connection.isOpen) client.port.noteFull(client);
    if (outcome !== 'dropped') return this.#good();
    return this.#failed(SWOOLE_ERROR_OUTPUT_BUFFER_OVERFLOW);
  }

  #good(): true {
    this.lastError = 0;
    return true;
  }

  #failed(error: number): false {
    this.lastError = error;
    this.lastOutcome = 'dropped';
    return false;
  }
}

function requireData(data: unknown): void {
  if (typeof data === 'string' || data instanceof Uint8Array) return;
  throw new SluiceError('ERR_ARG_TYPE', 'What is sent is a string, a Uint8Array or a Frame.');
}

/** Ends a connection in the way of what it speaks. */
export function endClient(client: Client, reset: boolean): void {
  const { socket, http, connection } = client;
  client.isClosedByUs = true;
  if (socket !== undefined) {
    if (reset) socket.terminate();
    else socket.close();
  } else if (http !== undefined) {
    if (reset) http.reset();
    else http.close();
  } else if (reset) {
    connection.reset();
  } else {
    connection.close();
  }
}

/** The server goes: what a client has asked for is still answered. */
export function leaveClient(client: Client, code: number): void {
  client.isClosedByUs = true;
  if (client.socket !== undefined) client.socket.close(code);
  else if (client.http !== undefined) client.http.drainAndClose();
  else client.connection.close();
}

function writeRaw(client: Client, bytes: Buffer): boolean {
  Socket.linkOf(client.socket)?.flushRun();
  const { connection } = client;
  return connection.pendingBytes < client.port.queueBytes && connection.write(bytes) >= 0;
}

/** The answer to a request of this client, which may also end the connection. */
export function responseOf(client: Client, sink: AnswerSink): Response {
  const close = (): void => endClient(client, false);
  return new Response(client.fd, sink, close, (error) => client.port.report(error));
}
