// What becomes of a package that a connection is to send: written, or dropped because too much is owed. A
// turn's bytes leave at its end, so before anything is called full the kernel is offered them.

import type { Connection } from '../../net/types.ts';
import { LOOK_BYTES, SEND_BUFFER_BYTES_MAX } from './constants.ts';
import type { Link } from './link.ts';
import { bytesOf } from './protocols.ts';

/** What it needs of its connection. */
export interface SenderPort {
  readonly maxSendBufferSize: number;
  /** Hands everything to the kernel that was written so far. */
  flush(): void;
  /** maxSendBufferSize is reached. */
  becameFull(): void;
  dropped(): void;
}

export class PackageSender {
  readonly #port: SenderPort;
  readonly #connection: Connection;
  readonly #link: Link;
  /** The kernel has not taken everything, and a drain is owed. */
  #isBehind = false;

  constructor(port: SenderPort, connection: Connection, link: Link) {
    this.#port = port;
    this.#connection = connection;
    this.#link = link;
  }

  /** @returns true: on its way; null: the kernel has not taken all yet; false: dropped */
  send(data: unknown, raw: boolean, isLast: boolean): boolean | null {
    if (this.#isFull()) return this.drop();
    return this.#write(data, raw, isLast) ? this.#outcome() : this.drop();
  }

  /** Who was refused waits for the drain. */
  drop(): false {
    this.#fallBehind();
    this.#port.dropped();
    return false;
  }

  /** The kernel has taken what was pending. @returns whether that was waited for */
  drained(): boolean {
    const wasBehind = this.#isBehind;
    this.#isBehind = false;
    return wasBehind;
  }

  get #bound(): number {
    return Math.min(this.#port.maxSendBufferSize, SEND_BUFFER_BYTES_MAX);
  }

  #isFull(): boolean {
    if (this.#link.pendingBytes < this.#bound) return false;
    if (!this.#isBehind) this.#port.flush();
    return this.#link.pendingBytes >= this.#bound;
  }

  #write(data: unknown, raw: boolean, isLast: boolean): boolean {
    if (!raw) return this.#link.send(data, isLast);
    this.#link.flushSends();
    if (typeof data === 'string') return this.#connection.writeUtf8(data) >= 0;
    return this.#connection.write(bytesOf(data)) >= 0;
  }

  #outcome(): boolean | null {
    if (!this.#isBehind) {
      if (this.#link.pendingBytes < Math.min(LOOK_BYTES, this.#bound)) return true;
      this.#port.flush();
      if (this.#link.pendingBytes === 0) return true;
      this.#fallBehind();
    }
    if (this.#link.pendingBytes >= this.#bound) this.#port.becameFull();
    return null;
  }

  #fallBehind(): void {
    if (this.#isBehind) return;
    this.#isBehind = true;
    this.#connection.noticeDrain();
  }
}
