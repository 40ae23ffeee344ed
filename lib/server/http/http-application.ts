// What an HttpConnection needs from the server that it belongs to: routes, bounds, time, a place for errors.

import type { Clock } from '../../base/clock.ts';
import { HTTP_HEAD_LIMITS, type HttpHeadLimits } from '../../http/limits.ts';
import type { Connection } from '../../net/types.ts';
import type { Refusal } from '../admission/admission-types.ts';
import type { TrustedProxies } from '../admission/http-client-address.ts';
import type { ServerMetrics } from '../stats-types.ts';
import type { HttpCounters } from './http-counters.ts';
import type { ServerRequest } from './http-types.ts';
import type { UpgradeExchange } from './http-upgrade.ts';
import type { Router } from './router.ts';

export interface HttpLimits extends HttpHeadLimits {
  /** Body bytes of one request; ServerRequest.limitBody() overrides it. */
  readonly bodyBytesMax: number;
  /** From the first byte of a head (the accept for the first one) to its end. */
  readonly headTimeoutMs: number;
  /** Within this time a body (or the taking of an answer) must move on, or the connection ends. */
  readonly bodyTimeoutMs: number;
  /** Silence between two requests. */
  readonly keepAliveTimeoutMs: number;
  /** For an upgrade that is decided later. */
  readonly handshakeTimeoutMs: number;
}

export const HTTP_LIMITS: HttpLimits = {
  ...HTTP_HEAD_LIMITS,
  bodyBytesMax: 1024 * 1024,
  headTimeoutMs: 10_000,
  bodyTimeoutMs: 30_000,
  keepAliveTimeoutMs: 60_000,
  handshakeTimeoutMs: 10_000,
};

/** Admission by the forwarded address: a place is held from the head to the end of the exchange. */
export interface ForwardedGate {
  /** @returns the answer to give in the handler's place; undefined when the request may pass */
  judge(connection: Connection, request: ServerRequest): Refusal | undefined;
  /** The exchange is over, and it was no upgrade. */
  ended(connection: Connection): void;
}

export interface HttpApplication {
  readonly router: Pick<Router, 'match'>;
  readonly limits: HttpLimits;
  readonly clock: Pick<Clock, 'now'>;
  /** Who is believed about whom they forward for; without it nobody. */
  readonly trustedProxies?: TrustedProxies;
  /** Judges requests that come through a trusted proxy; absent while nothing is to be judged. */
  readonly forwardedGate?: ForwardedGate | undefined;
  /** Where answers are counted. */
  readonly counters?: HttpCounters;
  readonly metrics?: ServerMetrics | undefined;
  /** A handler threw or rejected; the client has its 500 or its reset. Must not throw. */
  onError(error: unknown): void;
  /**
   * A request carries `Upgrade: websocket` (HTTP/1.1 only).
   * @returns false when no route of another protocol has this path: it is then handled as plain HTTP
   */
  upgrade(exchange: UpgradeExchange): boolean;
  /** HTTP is done with the connection: it is gone, or another protocol has taken it over. */
  connectionEnded?(connection: Connection): void;
}
