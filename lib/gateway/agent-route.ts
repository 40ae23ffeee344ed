// The WebSocket route of the agents: handshake by admission.ts, then a Session per socket.

import type { ConnectionRow } from '../process/connection-list.ts';
import type { ServedSocket } from '../process/types.ts';
import type { ServerRequest, UpgradeDecision, WebSocketRoute } from '../server/types.ts';
import type { Admissions } from './admission.ts';
import { Disconnects } from './disconnect.ts';
import { problemBody, problemOfStatus } from './problem.ts';
import { Session, type SessionWorld } from './session.ts';
import type { AgentIdentity } from './tokens.ts';

/** Hangs on the socket; the session follows when it is open. */
export interface AgentSocketData {
  readonly identity: AgentIdentity;
  session?: Session;
}

export interface AgentRouteOptions {
  readonly admissions: Admissions;
  readonly world: SessionWorld;
  readonly sessionsPerAgent: number;
  /** Sockets of one address; 0 is off. */
  readonly connectionsPerIp: number;
  readonly messageBytes: number;
  readonly queueBytes: number;
  readonly heartbeatSeconds: number;
}

export function createAgentRoute(options: AgentRouteOptions): WebSocketRoute<AgentSocketData> {
  const { world, sessionsPerAgent } = options;
  return {
    messageBytesMax: options.messageBytes,
    queueBytes: options.queueBytes,
    connectionsPerIp: options.connectionsPerIp,
    idleTimeoutMs: options.heartbeatSeconds * 1000,
    upgrade: (request) => decideUpgrade(options, request),
    open(socket) {
      const { identity } = socket.data;
      // Handshakes that were judged at the same time may be more than one admits.
      if (world.sessions.countOfAgent(identity.person.id) >= sessionsPerAgent) {
        socket.close(Disconnects.tooMany.code, Disconnects.tooMany.reason);
        return;
      }
      world.counters.sessionsOpened += 1;
      socket.data.session = new Session(world, socket, identity);
    },
    message: (socket, data) => socket.data.session?.receive(data),
    drain: (socket) => socket.data.session?.drained(),
    dropped: (socket) => socket.data.session?.fellBehind(),
    close: (socket) => socket.data.session?.closed(),
  };
}

/** What a list of connections shows of an agent's socket. */
export function describeAgent(socket: ServedSocket): ConnectionRow {
  const { identity } = (socket.data ?? {}) as Partial<AgentSocketData>;
  if (identity === undefined) return {};
  return { agent: identity.person.id, page: identity.scope.pages.join(',') };
}

async function decideUpgrade(
  { admissions, world }: AgentRouteOptions,
  request: ServerRequest,
): Promise<UpgradeDecision<AgentSocketData>> {
  const admission = await admissions.decide(request);
  if (admission.ok) {
    const data: AgentSocketData = { identity: admission.identity };
    return admission.protocol === undefined ? { data } : { data, protocol: admission.protocol };
  }
  world.counters.sessionsRefused += 1;
  const headers: Record<string, string> = { 'Content-Type': 'application/problem+json' };
  if (admission.status === 401) headers['WWW-Authenticate'] = 'Bearer';
  const body = problemBody(problemOfStatus(admission.status), admission.reason);
  return { reject: admission.status, headers, body };
}
