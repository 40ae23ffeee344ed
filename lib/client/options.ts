// What the caller passes to connect() and gets back from it, and what the surroundings provide by default.

import type { StopReason } from './backoff.ts';
import type { ClientClock } from './clock.ts';
import type { ClientStorage } from './identity.ts';
import type { EventMessage, ServerMessage } from './protocol.ts';
import type { DeskError } from './requests.ts';
import type { Fetch } from './session-probe.ts';
import type { WebSocketConstructor } from './socket.ts';

export interface ConnectOptions {
  /** `wss://host/agent`; http and https are taken as ws and wss. */
  readonly url: string;
  /** The agent's token, asked anew for each connection and when one is about to expire. */
  readonly token: () => string | Promise<string>;
  /** Needed where there is no global WebSocket (Node 20): ws's, for example. */
  readonly webSocket?: WebSocketConstructor;
  /**
   * Keeps the session's name over a reload; sessionStorage of a browser when absent, null: none.
   */
  readonly storage?: ClientStorage | null;
  /**
   * Where a failed handshake is asked about; `/api/v1/session` of the same host when absent,
   * null: nowhere.
   */
  readonly sessionUrl?: string | null;
  readonly fetch?: Fetch;
  readonly clock?: ClientClock;
  /** Uniform in [0, 1), for the jitter. */
  readonly random?: () => number;
  /** Whether the system believes that it has a network; navigator.onLine when absent. */
  readonly hasNetwork?: () => boolean;
}

export interface DeskState {
  readonly state: 'connecting' | 'online' | 'waiting' | 'offline' | 'stopped';
  /** When the next attempt begins (clock's now); only while waiting or offline. */
  readonly retryAt?: number;
  readonly attempt: number;
  readonly reason?: StopReason;
}

export type Welcome = Extract<ServerMessage, { readonly type: 'welcome' }>;
export type Snapshot = Extract<ServerMessage, { readonly type: 'snapshot' }>;
export type Signal = Extract<ServerMessage, { readonly type: 'signal' }>;

export interface DeskEvents {
  /** Each event once and in order per conversation. */
  event: EventMessage;
  /** One part of a snapshot; `part` 1 begins a new state, `last` completes it. */
  snapshot: Snapshot;
  welcome: Welcome;
  signal: Signal;
  state: DeskState;
  /** The token ends soon and is being renewed; `renewed` false: there was no other. */
  expiring: { readonly inMs: number; readonly renewed: boolean; readonly error?: DeskError };
  /** Events are missing: the desk starts over from a snapshot by itself. */
  gap: { readonly conversation: string; readonly after: number; readonly prev: number };
  /** A connection ended. */
  closed: { readonly code: number; readonly reason: string };
}

export interface SendOptions {
  /** Idempotency key, a UUID; drawn when absent. The same id again is never a second message. */
  readonly id?: string;
  readonly claim?: number;
  /** The last seq that the person saw: refused as `stale` if something came in since. */
  readonly seen?: number;
}

export interface Sent {
  readonly message: string;
  readonly seq: number;
  readonly claim?: number;
  readonly duplicate?: boolean;
}

export function globalWebSocket(): WebSocketConstructor {
  const { WebSocket } = globalThis as { WebSocket?: unknown };
  if (WebSocket === undefined) {
    throw new TypeError('There is no global WebSocket: pass one as the option `webSocket`.');
  }
  return WebSocket as WebSocketConstructor;
}

export function globalStorage(): ClientStorage | undefined {
  try {
    return (globalThis as { sessionStorage?: ClientStorage }).sessionStorage;
  } catch {
    // A browser that forbids storage throws on the mere look.
    return undefined;
  }
}

export function systemHasNetwork(): boolean {
  const { navigator } = globalThis as { navigator?: { readonly onLine?: boolean } };
  return navigator?.onLine !== false;
}
