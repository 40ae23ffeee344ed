// What the gateway counts. Plain numbers, read by metrics and status; never a name, a text or a secret.

import type { Server } from '../server/types.ts';
import type { GatewayCore } from './gateway-core.ts';

export interface GatewayCounters {
  /** Signed webhook bodies that were parsed. */
  webhooks: number;
  /** Webhooks answered 200 / refused 4xx / answered 503. */
  webhooksAccepted: number;
  webhooksRefused: number;
  webhooksUnavailable: number;
  /**
   * Events appended, already held, of Pages that are not configured, and damaged ones kept as
   * unknown.
   */
  events: number;
  duplicates: number;
  unconfiguredEvents: number;
  damagedEvents: number;
  /** Event frames published to groups of sessions. */
  published: number;
  /** Live sessions that fell behind, and sessions closed because they took no byte. */
  sessionsSlow: number;
  sessionsStalled: number;
  sessionsOpened: number;
  sessionsRefused: number;
  requests: number;
  requestsRefused: number;
  /** Calls to Meta that ended as sent, refused, unknown. */
  postsSent: number;
  postsRefused: number;
  postsUnknown: number;
  profilesFetched: number;
  profilesMissing: number;
}

export interface GatewayStats extends Readonly<GatewayCounters> {
  readonly sessions: number;
  readonly connections: number;
  readonly head: number;
  readonly epoch: string;
}

export function createCounters(): GatewayCounters {
  return {
    webhooks: 0,
    webhooksAccepted: 0,
    webhooksRefused: 0,
    webhooksUnavailable: 0,
    events: 0,
    duplicates: 0,
    unconfiguredEvents: 0,
    damagedEvents: 0,
    published: 0,
    sessionsSlow: 0,
    sessionsStalled: 0,
    sessionsOpened: 0,
    sessionsRefused: 0,
    requests: 0,
    requestsRefused: 0,
    postsSent: 0,
    postsRefused: 0,
    postsUnknown: 0,
    profilesFetched: 0,
    profilesMissing: 0,
  };
}

/** What one process that serves has counted, and what it has open. */
export function gatewayStats(
  counters: GatewayCounters,
  servers: readonly Server[],
  core: GatewayCore | undefined,
): GatewayStats {
  return {
    ...counters,
    sessionsRefused: servers.reduce(
      (sum, server) => sum + server.stats().admission.routeAddressFull,
      counters.sessionsRefused,
    ),
    published: core?.hub.published ?? 0,
    sessions: core?.sessions.size ?? 0,
    connections: servers.reduce((sum, server) => sum + server.connectionCount, 0),
    head: core?.options.journal.head ?? 0,
    epoch: core?.options.journal.epoch ?? '',
  };
}
