// The seam between a TcpConnection, which has Workerman's names, and what carries its packages: plain
// bytes, a stream protocol, HTTP or a WebSocket.

import type { WebSocketConnection } from '../../server/websocket/websocket-connection.ts';

export interface Link {
  /** Its place in topics; undefined for what is no WebSocket, or not yet, or has a type of its own. */
  readonly topicMember: WebSocketConnection | undefined;
  /** Accepted and not yet taken by the kernel. */
  readonly pendingBytes: number;
  /** Received and not yet handed over. */
  readonly receivedBytes: number;
  /**
   * Encodes and writes. @param isLast close() follows. @returns false when it was not accepted:
   * nothing was written then
   */
  send(data: unknown, isLast: boolean): boolean;
  /** Writes what send() has collected, so that raw bytes come behind it. */
  flushSends(): void;
  /** Drops the first received bytes. */
  consume(length: number): void;
  pause(): void;
  resume(): void;
  /** The process leaves: as close(), with what the peer is to be told; what was asked is answered. */
  leave(code: number, reason: string): void;
  /** Nothing more is handed over; what was sent goes out, then the protocol's farewell. */
  close(): void;
  /** Nothing more is handed over. */
  stop(): void;
  /** A callback of this connection has thrown: tells the peer as the protocol can, and ends. */
  fail(): void;
}

const nothing = (): void => undefined;

/** Of a connection that has not begun. */
export const NO_LINK: Link = {
  topicMember: undefined,
  pendingBytes: 0,
  receivedBytes: 0,
  send: () => false,
  flushSends: nothing,
  consume: nothing,
  pause: nothing,
  resume: nothing,
  leave: nothing,
  close: nothing,
  stop: nothing,
  fail: nothing,
};
