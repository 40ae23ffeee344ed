// What handlers see of the flow of messages: outcomes, policies, streams, and the facts about a socket.

import type { TlsInfo } from '../../net/tls-info.ts';

/** 'sent': below the high mark; 'queued': at or above it; 'dropped': not accepted. */
export type SendOutcome = 'sent' | 'queued' | 'dropped';

/**
 * What becomes of a message for a socket whose queue is full: it is dropped; or the socket is closed
 * with 1013; or, from the high mark on, only the newest message per `key` is kept.
 */
export type SlowPolicy = 'drop' | 'close' | 'latest';

/** One message that is sent as fragments (RFC 6455 section 5.4). */
export interface OutgoingStream {
  /** False once it was ended, or the socket is not open. */
  readonly isOpen: boolean;
  /**
   * Sends a piece; 'dropped' when the queue is full or the socket is not open: the piece is then no
   * part of the message, and may be written again. @throws ERR_STATE after end(), ERR_ARG_RANGE above 64 MiB
   */
  write(chunk: string | Uint8Array): SendOutcome;
  /**
   * Sends the last piece. 'dropped' as in write(), the stream is then still open; without a chunk
   * only a closed socket drops it. @throws ERR_STATE after end()
   */
  end(chunk?: string | Uint8Array): SendOutcome;
  /** As of the socket, without what waits behind this message. */
  drained(): Promise<boolean>;
}

/** How a connection has ended. */
export interface CloseInfo {
  /** Close frames went both ways. */
  readonly wasClean: boolean;
  /** Who began: our close() or terminate(), the peer, or a fault that the server cut off. */
  readonly initiator: 'us' | 'peer' | 'error';
  /** Accepted by send() and never taken by the kernel. */
  readonly bytesUnsent: number;
}

/** Facts about one socket. Counters of bytes are zero after its close handler. */
export interface SocketInfo {
  readonly transport: 'tcp' | 'unix';
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Empty and 0 once the connection is gone. */
  readonly localAddress: string;
  readonly localPort: number;
  /** The kernel's smoothed round trip time; undefined for a Unix socket and once it is gone. */
  readonly rttUs: number | undefined;
  readonly protocol: string;
  /** The value of Sec-WebSocket-Extensions that was answered; empty without one. */
  readonly extensions: string;
  /** Bytes on the wire, the handshake and control frames included. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly messagesReceived: number;
  /** Accepted by send() and streams; publishes are counted by the server. */
  readonly messagesSent: number;
  /** Accepted and not yet taken by the kernel. */
  readonly queueBytes: number;
  /** Milliseconds since 1970. */
  readonly openedAt: number;
  readonly topicCount: number;
  readonly isPaused: boolean;
  /** As request.tls; undefined for a plain connection. */
  readonly tls: TlsInfo | undefined;
}
