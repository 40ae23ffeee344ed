// An agent's client on a bare TCP socket that takes a few bytes at a time, as over a bad line: the
// handshake, hello, and a small decoder of the server's frames.

import { connect, type Socket } from 'node:net';
import { clientFrame } from './websocket-frames.ts';

export interface SlowLineOptions {
  /** 0: nothing is ever read after hello. */
  readonly bytesPerRead: number;
  readonly everyMs: number;
}

type Message = Record<string, unknown>;

const MASK = [1, 2, 3, 4] as const;
const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

export class SlowLine {
  readonly messages: Message[] = [];
  bytes = 0;
  snapshotSeq = 0;
  lastPosition = 0;
  isClosed = false;
  closeCode = 0;
  readonly #socket: Socket;
  readonly #reading: NodeJS.Timeout;
  #held: Buffer = Buffer.alloc(0);
  #isUpgraded = false;

  constructor(port: number, token: string, options: SlowLineOptions) {
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => {
      this.isClosed = true;
    });
    this.#socket.write(
      'GET /agent HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n' +
        `Authorization: Bearer ${token}\r\n\r\n`,
    );
    this.#say({ type: 'hello', id: 'h', session: 'slow' });
    this.#socket.pause();
    this.#reading = setInterval(() => this.#read(options.bytesPerRead), options.everyMs);
  }

  close(): void {
    clearInterval(this.#reading);
    this.#socket.destroy();
  }

  ofKind(kind: string): Message[] {
    return this.messages.filter((message) => message['kind'] === kind);
  }

  #say(message: object): void {
    this.#frame(TEXT, Buffer.from(JSON.stringify(message)));
  }

  #frame(opcode: number, payload: Buffer): void {
    this.#socket.write(clientFrame({ opcode, payload, fin: true, mask: MASK }));
  }

  #read(bytesMax: number): void {
    for (let left = bytesMax; left > 0; ) {
      const ready = Math.min(left, this.#socket.readableLength);
      // Reading nothing asks for more.
      const chunk = this.#socket.read(ready) as Buffer | null;
      if (chunk === null) return;
      left -= chunk.length;
      this.bytes += chunk.length;
      this.#held = Buffer.concat([this.#held, chunk]);
      this.#decode();
    }
  }

  #decode(): void {
    if (!this.#isUpgraded) {
      const end = this.#held.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.#isUpgraded = true;
      this.#held = this.#held.subarray(end + 4);
    }
    for (;;) {
      const short = (this.#held[1] ?? 0) & 0x7f;
      const headBytes = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (this.#held.length < headBytes) return;
      let length = short;
      if (short === 126) length = this.#held.readUInt16BE(2);
      else if (short === 127) length = Number(this.#held.readBigUInt64BE(2));
      if (this.#held.length < headBytes + length) return;
      const opcode = (this.#held[0] ?? 0) & 0x0f;
      const payload = this.#held.subarray(headBytes, headBytes + length);
      this.#held = this.#held.subarray(headBytes + length);
      this.#receive(opcode, payload);
    }
  }

  #receive(opcode: number, payload: Buffer): void {
    if (opcode === PING) this.#frame(PONG, payload);
    else if (opcode === CLOSE) this.closeCode = payload.readUInt16BE(0);
    else if (opcode === TEXT) this.#note(JSON.parse(payload.toString()) as Message);
  }

  #note(message: Message): void {
    this.messages.push(message);
    if (message['type'] === 'snapshot' && message['last'] === true) {
      this.snapshotSeq = Number(message['seq']);
    } else if (message['type'] === 'position' || message['type'] === 'event') {
      this.lastPosition = Number(message['seq']);
    }
  }
}
