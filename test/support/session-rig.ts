// A Session with a port and handlers that write down what happens, in one list, in order.

import { ParserLoan } from '../../lib/websocket/parser-loan.ts';
import { CONTROL_PAYLOAD_BYTES_MAX, OPCODE } from '../../lib/websocket/protocol.ts';
import { Session } from '../../lib/websocket/session.ts';
import type { Delivery, SessionHost, SessionOptions } from '../../lib/websocket/session-types.ts';
import { Unmasker } from '../../lib/websocket/unmask.ts';
import { clientFrame } from './websocket-frames.ts';

export const RIG_OPTIONS: SessionOptions = {
  messageBytesMax: 1000,
  idleTimeoutMs: 1000,
  closeTimeoutMs: 500,
};

export class SessionRig implements SessionHost {
  readonly log: string[] = [];
  readonly errors: unknown[] = [];
  readonly session: Session;
  readonly sessionOptions: SessionOptions;
  readonly parsers: ParserLoan;
  canQueue = true;
  takenBytes = 0;
  owedBytes = 0;
  /** What a message handler does. */
  react: (text: string) => unknown = () => undefined;

  constructor(options: Partial<SessionOptions> = {}, parsers = new ParserLoan(new Unmasker())) {
    this.parsers = parsers;
    this.sessionOptions = { ...RIG_OPTIONS, ...options };
    this.session = new Session(this);
  }

  /** Delivers bytes as the loop does: what a handler throws fails the session. */
  feed(...frames: readonly Buffer[]): void {
    const bytes = Buffer.concat(frames);
    try {
      this.session.receive(bytes, 0, bytes.length);
    } catch (error) {
      this.session.fail(error);
    }
  }

  feedText(...texts: readonly string[]): void {
    this.feed(...texts.map((payload) => clientFrame({ payload })));
  }

  delivery(): Delivery {
    return { takenBytes: this.takenBytes, owedBytes: this.owedBytes };
  }

  /** The log since the last call. */
  take(): string[] {
    return this.log.splice(0);
  }

  sendControl(opcode: number, payload: Uint8Array): void {
    if (payload.length > CONTROL_PAYLOAD_BYTES_MAX) throw new Error('control payload too long');
    const bytes = Buffer.from(payload);
    if (opcode !== OPCODE.close) {
      this.log.push(`${opcode === OPCODE.ping ? 'send ping' : 'send pong'} ${bytes}`.trimEnd());
    } else {
      const code = bytes.length === 0 ? '' : bytes.readUInt16BE(0);
      this.log.push(`send close ${code} ${bytes.subarray(2)}`.trimEnd());
    }
  }

  setDeadline(ms: number): void {
    this.log.push(`deadline ${ms}`);
  }

  pause(): void {
    this.log.push('port.pause');
  }

  resume(): void {
    this.log.push('port.resume');
  }

  close(): void {
    this.log.push('port.close');
  }

  reset(): void {
    this.log.push('port.reset');
  }

  onText(text: string): unknown {
    this.log.push(`text ${text}`);
    return this.react(text);
  }

  onBinary(data: Buffer): unknown {
    this.log.push(`binary ${data.toString('hex')}`);
    return this.react(data.toString('latin1'));
  }

  onPing(payload: Buffer): unknown {
    this.log.push(`ping ${payload}`.trimEnd());
    return undefined;
  }

  onPong(payload: Buffer): unknown {
    this.log.push(`pong ${payload}`.trimEnd());
    return undefined;
  }

  onSessionClose(code: number, reason: string): unknown {
    this.log.push(`closed ${code} ${reason}`.trimEnd());
    return undefined;
  }

  onError(error: unknown): void {
    this.errors.push(error);
  }
}
