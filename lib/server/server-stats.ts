// Puts the counters of a server's parts together. Nothing here runs unless somebody asks.

import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { Loop } from '../net/types.ts';
import type { HttpCounters } from './http/http-counters.ts';
import type { ServerStats } from './stats-types.ts';
import type { WebSocketContext } from './websocket/websocket-context.ts';

const RESOLUTION_MS = 10;
const NS_PER_MS = 1e6;

/** How late the event loop's timers are, since the last look. */
export class LoopDelay {
  readonly #histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });

  constructor() {
    this.#histogram.enable();
  }

  take(): NonNullable<ServerStats['loopDelay']> {
    const histogram = this.#histogram;
    const late = (ns: number): number => Math.max(0, ns / NS_PER_MS - RESOLUTION_MS);
    const isEmpty = histogram.count === 0;
    const taken = {
      p50Ms: isEmpty ? 0 : late(histogram.percentile(50)),
      p99Ms: isEmpty ? 0 : late(histogram.percentile(99)),
      maxMs: isEmpty ? 0 : late(histogram.max),
    };
    histogram.reset();
    return taken;
  }

  stop(): void {
    this.#histogram.disable();
  }
}

/** What the counters of one server are taken from. */
export interface StatsSources {
  readonly loop: Loop;
  readonly sockets: WebSocketContext;
  readonly http: HttpCounters;
  readonly connections: ServerStats['connections'];
  readonly startedAt: number;
  readonly loopDelay?: LoopDelay | undefined;
}

export function statsOf(sources: StatsSources): ServerStats {
  const { loop, sockets, http, connections, startedAt, loopDelay } = sources;
  const { batches, flushes, sendCalls, ...bytes } = loop.stats;
  return {
    startedAt,
    connections,
    sockets: socketStats(sockets),
    messages: messageStats(sockets),
    topics: topicStats(sockets),
    requests: {
      total: http.total,
      '2xx': http.ofClass(2),
      '3xx': http.ofClass(3),
      '4xx': http.ofClass(4),
      '5xx': http.ofClass(5),
    },
    bytes: {
      received: bytes.receivedBytes,
      sent: bytes.sentBytes,
      queued: bytes.queuedBytes,
      queuedMax: bytes.queuedBytesMax,
      queuedConnections: bytes.queuedConnections,
      held: sockets.budget.heldBytes,
    },
    engine: { batches, flushes, sendCalls },
    admission: admissionStats(sources),
    handshakes: loop.tlsCounts(),
    ...(loopDelay === undefined ? {} : { loopDelay: loopDelay.take() }),
  };
}

function admissionStats({ loop, sockets }: StatsSources): ServerStats['admission'] {
  const { denied, untrusted, malformed, late } = loop.refusalCounters();
  const { stats } = sockets.admission;
  return {
    ...stats,
    denied: stats.denied + denied,
    proxyUntrusted: untrusted,
    proxyMalformed: malformed,
    proxyLate: late,
  };
}

function socketStats({ counters, connections }: WebSocketContext): ServerStats['sockets'] {
  return {
    open: connections.size,
    accepted: counters.handshakesAccepted,
    refused: counters.handshakes - counters.handshakesAccepted,
    closedByUs: counters.closedByUs,
    closedByPeer: counters.closedByPeer,
    closedByError: counters.closedByError,
    slowCloses: counters.slowCloses,
  };
}

function messageStats({ counters, connections }: WebSocketContext): ServerStats['messages'] {
  let received = counters.messagesReceived;
  let sent = counters.messagesSent;
  for (const connection of connections) {
    received += connection.messagesReceived;
    sent += connection.messagesSent;
  }
  const { dropped, superseded, pingsReceived, pongsReceived } = counters;
  return { received, sent, dropped, superseded, pings: pingsReceived, pongs: pongsReceived };
}

function topicStats({ counters, topics }: WebSocketContext): ServerStats['topics'] {
  const { publishes, delivered, queued } = counters;
  return { open: topics.count, publishes, delivered, queued };
}
