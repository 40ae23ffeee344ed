// One message on its way as fragments (RFC 6455 section 5.4): the application writes its pieces as they
// become ready. Text pieces are joined where a surrogate pair was cut.

import { SluiceError } from '../../base/errors.ts';
import { sendable } from '../../websocket/frame-encoder.ts';
import { OPCODE } from '../../websocket/protocol.ts';
import type { OutgoingStream, SendOutcome } from './flow-types.ts';

/** What the fragments need of their connection. */
export interface FragmentPort {
  readonly isOpen: boolean;
  /** Judged like a message; the last one without a payload is taken whatever is pending. */
  sendFragment(opcode: number, isFinal: boolean, payload: Uint8Array): SendOutcome;
  /** The last fragment was accepted. */
  fragmentsEnded(): void;
  fragmentsDrained(): Promise<boolean>;
}

const NOTHING = new Uint8Array(0);

export class OutgoingFragments implements OutgoingStream {
  readonly #port: FragmentPort;
  readonly #opcode: number;
  #hasBegun = false;
  #hasEnded = false;
  /** The first half of a surrogate pair, whose second half comes with the next piece. */
  #half = '';

  constructor(port: FragmentPort, isBinary: boolean) {
    this.#port = port;
    this.#opcode = isBinary ? OPCODE.binary : OPCODE.text;
  }

  get isOpen(): boolean {
    return !this.#hasEnded && this.#port.isOpen;
  }

  write(chunk: string | Uint8Array): SendOutcome {
    return this.#send(chunk, false);
  }

  end(chunk: string | Uint8Array = NOTHING): SendOutcome {
    const outcome = this.#send(chunk, true);
    if (outcome === 'dropped') return outcome;
    this.#hasEnded = true;
    this.#port.fragmentsEnded();
    return outcome;
  }

  drained(): Promise<boolean> {
    return this.#port.fragmentsDrained();
  }

  #send(chunk: string | Uint8Array, isFinal: boolean): SendOutcome {
    if (this.#hasEnded) throw new SluiceError('ERR_STATE', 'The stream was ended.');
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) {
      throw new SluiceError('ERR_ARG_TYPE', 'A chunk is a string or a Uint8Array.');
    }
    const text = typeof chunk === 'string' ? this.#half + chunk : this.#half;
    const half = isFinal || typeof chunk !== 'string' ? '' : lastHalf(text);
    const payload = sendable(payloadOf(chunk, half === '' ? text : text.slice(0, -1)));
    const opcode = this.#hasBegun ? OPCODE.continuation : this.#opcode;
    const outcome = this.#port.sendFragment(opcode, isFinal, payload);
    if (outcome === 'dropped') return outcome;
    this.#hasBegun = true;
    this.#half = half;
    return outcome;
  }
}

/** The unit at the end of a text that has no meaning without the next one. */
function lastHalf(text: string): string {
  const unit = text.charCodeAt(text.length - 1);
  return unit >= 0xd800 && unit < 0xdc00 ? text.slice(-1) : '';
}

function payloadOf(chunk: string | Uint8Array, text: string): Uint8Array {
  if (typeof chunk === 'string') return Buffer.from(text);
  return text === '' ? chunk : Buffer.concat([Buffer.from(text), chunk]);
}
