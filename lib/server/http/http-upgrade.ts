// The seam between HTTP and whatever takes a connection over (WebSocket). HTTP knows nothing of the
// handshake: it stops parsing, offers the exchange, and later writes a head or an answer.

import type { Connection, ConnectionOwner } from '../../net/types.ts';
import type { ServerRequest } from '../types.ts';

/**
 * A request that asks for another protocol. Exactly one of accept() and refuse() decides it, at once
 * or later; until then the connection is paused and what the client sent after the head is kept.
 */
export interface UpgradeExchange {
  readonly request: ServerRequest;
  readonly connection: Connection;
  /**
   * The header fields in order, name and value alternating, names in lower case: repeated fields
   * show.
   */
  readonly fields: readonly string[];
  /** 0 for HTTP/1.0, 1 for HTTP/1.1. */
  readonly minorVersion: number;
  /** True when the head announces a body; a handshake must not have one. */
  readonly hasBody: boolean;
  /** False once it is decided, or the client is gone, or the time for deciding is over. */
  readonly isPending: boolean;
  /**
   * Writes the head, makes `owner` the connection's owner and switches the deadline off. Bytes that
   * the client sent after its head reach `owner.onData` after the caller's turn, then reading goes on.
   * @param headText the whole response head, its empty line included; characters below U+0100
   * @returns false when it was not pending any more: nothing was written, the owner is unchanged
   */
  accept(headText: string, owner: ConnectionOwner): boolean;
  /**
   * Answers like a normal response with `Connection: close` and closes. Does nothing when not
   * pending.
   */
  refuse(status: number, headers?: Readonly<Record<string, string>>, body?: string): void;
  /** Calls back once if the client goes, or the time for deciding ends, before the decision. */
  onGone(callback: () => void): void;
}
