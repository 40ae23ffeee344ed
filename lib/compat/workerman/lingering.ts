// The last owner of a connection that end() was called on: our FIN goes out behind what is pending, what
// the peer still sends is read and forgotten, up to a deadline. The owner before it is told of the end.

import type { Connection, ConnectionOwner } from '../../net/types.ts';

/** How long a peer may take nothing of what is pending. */
const STALL_MS = 30_000;

export class Lingering implements ConnectionOwner {
  readonly #before: ConnectionOwner;
  readonly #lingerMs: number;
  #pendingSeen = 0;
  #isSent = false;

  /** @param lingerMs counts from when everything was sent */
  constructor(before: ConnectionOwner, lingerMs: number) {
    this.#before = before;
    this.#lingerMs = lingerMs;
  }

  /** @param flush hands to the kernel what was written */
  begin(connection: Connection, flush: () => void): void {
    connection.owner = this;
    connection.end();
    flush();
    this.#pendingSeen = connection.pendingBytes;
    if (this.#pendingSeen === 0) this.#sent(connection);
    else {
      connection.noticeDrain();
      connection.setDeadline(STALL_MS);
    }
  }

  onData(): void {
    // Read so that the peer's FIN is seen, and that ours is not overtaken by a reset.
  }

  onEnd(connection: Connection): void {
    connection.close();
  }

  onDrain(connection: Connection): void {
    if (connection.pendingBytes === 0) this.#sent(connection);
  }

  onDeadline(connection: Connection): void {
    const pending = connection.pendingBytes;
    if (this.#isSent || pending >= this.#pendingSeen) connection.reset();
    else connection.setDeadline(STALL_MS);
    this.#pendingSeen = pending;
  }

  onClose(connection: Connection, errno: number): void {
    this.#before.onClose(connection, errno);
  }

  onFailure(connection: Connection, error: unknown): void {
    this.#before.onFailure(connection, error);
  }

  #sent(connection: Connection): void {
    if (this.#isSent) return;
    this.#isSent = true;
    connection.setDeadline(Math.max(1, this.#lingerMs));
  }
}
