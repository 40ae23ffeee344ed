// What a server tells about itself: counters to look at, and hooks for measurements of one's own.

import type { TlsCounts } from '../net/types.ts';
import type { AdmissionStats } from './admission/admission-types.ts';
import type { ServerRequest } from './http/http-types.ts';
import type { CloseInfo } from './websocket/flow-types.ts';
import type { ServerSocket } from './websocket/websocket-types.ts';

/** What a server has done since it was made, and holds now: plain numbers, made anew by each call. */
export interface ServerStats {
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** TCP and Unix connections, also those that became sockets. */
  readonly connections: { readonly open: number; readonly accepted: number };
  readonly sockets: {
    readonly open: number;
    readonly accepted: number;
    /** Upgrade requests that were not accepted, or wait for their hook. */
    readonly refused: number;
    readonly closedByUs: number;
    readonly closedByPeer: number;
    /** For a fault: of the protocol, of a handler, silence, or too slow. */
    readonly closedByError: number;
    /** Of these with 1013, because the route says `slow: 'close'`. */
    readonly slowCloses: number;
  };
  readonly messages: {
    readonly received: number;
    /** Accepted by send() and streams. */
    readonly sent: number;
    /** Not accepted because a queue was full, publishes included. */
    readonly dropped: number;
    /** Newer ones with the same key took their place. */
    readonly superseded: number;
    readonly pings: number;
    readonly pongs: number;
  };
  readonly topics: {
    readonly open: number;
    readonly publishes: number;
    /** Subscribers that publishes were written to. */
    readonly delivered: number;
    /** Of these who owed the high mark or more, and others for whom it is kept. */
    readonly queued: number;
  };
  /** Answers by the class of their status; a handshake that is accepted is none. */
  readonly requests: {
    readonly total: number;
    readonly '2xx': number;
    readonly '3xx': number;
    readonly '4xx': number;
    readonly '5xx': number;
  };
  /** On the wire, of the whole loop. */
  readonly bytes: {
    readonly received: number;
    readonly sent: number;
    /** Accepted and not taken by the kernel: now, and the most so far. */
    readonly queued: number;
    readonly queuedMax: number;
    /** Connections that owe any of them. */
    readonly queuedConnections: number;
    /** Frames that wait as references: newest per key, behind a stream. */
    readonly held: number;
  };
  /** Of the loop: batches of events, flushes, send(2) and sendmsg(2). */
  readonly engine: {
    readonly batches: number;
    readonly flushes: number;
    readonly sendCalls: number;
  };
  /** Who was not taken in, by reason; the PROXY headers are those of the loop. */
  readonly admission: Readonly<AdmissionStats>;
  /** TLS handshakes of the loop; one that does not complete reaches no handler. */
  readonly handshakes: TlsCounts;
  /** With `measureLoopDelay`: how late timers were since the last call of stats(). */
  readonly loopDelay?: { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };
}

/**
 * Called beside the handlers, for measurements. What they throw goes to onError and harms nobody. Those
 * that are absent cost nothing.
 */
export interface ServerMetrics {
  onOpen?(socket: ServerSocket): void;
  /** @param data as the handler gets it; of a streamed message the first chunk is not known yet: '' */
  onMessage?(socket: ServerSocket, data: string | Buffer, isBinary: boolean): void;
  onClose?(socket: ServerSocket, code: number, info: CloseInfo): void;
  /** An answer is handed over. @param ms since its head was read */
  onAnswer?(request: ServerRequest, status: number, ms: number): void;
}
