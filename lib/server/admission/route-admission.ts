// What one WebSocket route asks of a handshake before its upgrade hook is called: the Origin, then places
// in the route, for the address, for the token. A place is held from here to the end of the connection,
// so that handshakes whose hooks take their time cannot all slip through together.

import { createHmac, randomBytes } from 'node:crypto';
import { SluiceError } from '../../base/errors.ts';
import type { ConnectionLease } from '../../net/types.ts';
import type { ServerRequest, WebSocketRoute } from '../types.ts';
import type { Admission } from './admission.ts';
import { KeyCounts, type KeyLease, LeaseBundle } from './admission-counts.ts';
import { count } from './admission-options.ts';
import type { AdmissionStats, Refusal } from './admission-types.ts';
import { OriginList } from './origin-list.ts';

/** Longest token in UTF-16 units; a longer one is answered 400. */
export const TOKEN_LENGTH_MAX = 8192;
const RETRY_AFTER = { 'Retry-After': '5' };

export const ROUTE_REFUSALS = {
  origin: { status: 403, headers: {}, body: 'This origin is not allowed.\n' },
  tokenLength: { status: 400, headers: {}, body: 'The token is too long.\n' },
  routeFull: { status: 503, headers: RETRY_AFTER, body: 'Too many connections.\n' },
  routeAddressFull: {
    status: 429,
    headers: RETRY_AFTER,
    body: 'Too many connections of this address.\n',
  },
  tokenFull: { status: 429, headers: RETRY_AFTER, body: 'Too many connections of this token.\n' },
} as const satisfies Readonly<Record<string, Refusal>>;

type RouteRules = Pick<
  WebSocketRoute<unknown>,
  | 'origins'
  | 'originRequired'
  | 'connectionsMax'
  | 'connectionsPerIp'
  | 'connectionsPerToken'
  | 'token'
>;

export type Seat =
  | { readonly ok: true; readonly lease: ConnectionLease | undefined }
  | { readonly ok: false; readonly refusal: Refusal };

const FREE: Seat = { ok: true, lease: undefined };
const ROUTE = 'route';

export class RouteAdmission {
  readonly #rules: RouteRules;
  readonly #origins: OriginList | undefined;
  readonly #connectionsMax: number;
  readonly #connectionsPerIp: number;
  readonly #connectionsPerToken: number;
  readonly #all = new KeyCounts();
  readonly #addresses = new KeyCounts();
  readonly #tokens = new KeyCounts();
  /** Tokens are secrets: what is kept of them cannot be turned back, here or elsewhere. */
  readonly #tokenKey = randomBytes(32);

  /** @throws SluiceError ERR_ARG_RANGE for limits or origins out of range */
  constructor(rules: RouteRules) {
    const { origins = 'any' } = rules;
    this.#rules = rules;
    this.#origins = origins === 'any' ? undefined : new OriginList(origins);
    this.#connectionsMax = count('connectionsMax', rules.connectionsMax);
    this.#connectionsPerIp = count('connectionsPerIp', rules.connectionsPerIp);
    this.#connectionsPerToken = count('connectionsPerToken', rules.connectionsPerToken);
    if (this.#connectionsPerToken > 0 && rules.token === undefined) {
      throw new SluiceError('ERR_ARG_RANGE', 'connectionsPerToken needs token(request).');
    }
  }

  /** Keys that are counted now. */
  get size(): number {
    return this.#all.size + this.#addresses.size + this.#tokens.size;
  }

  /** Judges a handshake. What the route's `token` throws is thrown. */
  judge(request: ServerRequest, admission: Admission): Seat {
    if (!this.#isOriginAllowed(request.header('origin'))) return refuse('origin', admission.stats);
    const rate = admission.judgeHandshake(request.ip);
    if (rate !== undefined) return { ok: false, refusal: rate };
    return this.#takeSeats(request, admission);
  }

  /** No Origin: not a browser. */
  #isOriginAllowed(origin: string | undefined): boolean {
    if (origin === undefined) return this.#rules.originRequired !== true;
    return this.#origins === undefined || this.#origins.has(origin);
  }

  #takeSeats(request: ServerRequest, admission: Admission): Seat {
    const { stats } = admission;
    const leases: KeyLease[] = [];
    const address = this.#connectionsPerIp === 0 ? undefined : admission.countedKey(request.ip);
    if (isFull(this.#all, ROUTE, this.#connectionsMax)) return refuse('routeFull', stats);
    if (address !== undefined && isFull(this.#addresses, address, this.#connectionsPerIp)) {
      return refuse('routeAddressFull', stats);
    }
    if (this.#connectionsPerToken > 0) {
      const token = this.#rules.token?.(request);
      if (token !== undefined) {
        if (token.length > TOKEN_LENGTH_MAX)
          return { ok: false, refusal: ROUTE_REFUSALS.tokenLength };
        const key = this.#hash(token);
        if (isFull(this.#tokens, key, this.#connectionsPerToken)) return refuse('tokenFull', stats);
        leases.push(this.#tokens.take(key));
      }
    }
    if (this.#connectionsMax > 0) leases.push(this.#all.take(ROUTE));
    if (address !== undefined) leases.push(this.#addresses.take(address));
    return leases.length === 0 ? FREE : { ok: true, lease: new LeaseBundle(leases) };
  }

  #hash(token: string): string {
    return createHmac('sha256', this.#tokenKey).update(token).digest('base64url');
  }
}

const admissions = new WeakMap<object, RouteAdmission>();

/**
 * A route that several servers have been given (one per listening address) counts once for all.
 * @throws SluiceError ERR_ARG_RANGE for limits or origins out of range
 */
export function routeAdmissionOf(route: RouteRules): RouteAdmission {
  let admission = admissions.get(route);
  if (admission === undefined) {
    admission = new RouteAdmission(route);
    admissions.set(route, admission);
  }
  return admission;
}

function isFull(counts: KeyCounts, key: string, limit: number): boolean {
  return limit > 0 && counts.of(key) >= limit;
}

function refuse(
  reason: 'origin' | 'routeFull' | 'routeAddressFull' | 'tokenFull',
  stats: AdmissionStats,
): Seat {
  stats[reason]++;
  return { ok: false, refusal: ROUTE_REFUSALS[reason] };
}
