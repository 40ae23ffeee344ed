// Who may open an agent's socket: Origin, then the offer's form, then the token, then the agent's
// sessions (contract.md section 4). GET /api/v1/session asks the same question over HTTP. Limits per
// address are the library's, and judged before.

import { isLoopbackHost } from '../base/ip-address.ts';
import { SUBPROTOCOL } from '../client/protocol.ts';
import { OriginList } from '../server/admission/origin-list.ts';
import type { ServerRequest } from '../server/types.ts';
import type { AgentIdentity, TokenVerifier } from './tokens.ts';

const BEARER_PROTOCOL = 'bearer.';

export interface AdmissionOptions {
  readonly publicUrl: string | undefined;
  readonly origins: readonly string[];
  readonly sessionsPerAgent: number;
  readonly tokens: TokenVerifier;
  readonly sessionsOfAgent: (agent: string) => number;
}

export type Admission =
  | { readonly ok: true; readonly identity: AgentIdentity; readonly protocol?: string }
  | {
      readonly ok: false;
      readonly status: 400 | 401 | 403 | 429 | 503;
      readonly reason: string;
    };

/** What a request offers: the token, and the subprotocol to answer if one was offered. */
export type Offer =
  | { readonly ok: true; readonly token: string; readonly protocol?: string }
  | { readonly ok: false; readonly status: 400 | 401; readonly reason: string };

export class Admissions {
  readonly #options: AdmissionOptions;
  /** undefined: only loopback origins. */
  readonly #origins: OriginList | undefined;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    const named = [
      ...options.origins,
      ...(options.publicUrl === undefined ? [] : [options.publicUrl]),
    ];
    this.#origins =
      named.length === 0 ? undefined : new OriginList(named.map((url) => new URL(url).origin));
  }

  async decide(request: ServerRequest): Promise<Admission> {
    if (!this.isOriginAllowed(request.headers['origin'])) return refuse(403, 'Origin not allowed.');
    const offer = readOffer(request.headers);
    if (!offer.ok) return offer;
    const result = await this.#options.tokens.verify(offer.token);
    if (!result.ok) return result;
    const { person } = result.identity;
    const { sessionsOfAgent, sessionsPerAgent } = this.#options;
    if (sessionsOfAgent(person.id) >= sessionsPerAgent) return refuse(429, 'Too many sessions.');
    const { protocol } = offer;
    return { ok: true, identity: result.identity, ...(protocol === undefined ? {} : { protocol }) };
  }

  /** No Origin: not a browser, allowed. */
  isOriginAllowed(origin: string | undefined): boolean {
    if (origin === undefined) return true;
    if (this.#origins !== undefined) return this.#origins.has(origin);
    return isLoopbackOrigin(origin);
  }
}

/**
 * The token of `Authorization: Bearer …`, or of `Sec-WebSocket-Protocol: sluice.v1,
 * bearer.<jwt>`.
 */
export function readOffer(headers: Readonly<Record<string, string>>): Offer {
  const offered = headers['sec-websocket-protocol'];
  const authorization = headers['authorization'];
  const protocols = offered === undefined ? [] : offered.split(',').map((name) => name.trim());
  const bearers = protocols.filter((name) => name.startsWith(BEARER_PROTOCOL));
  if (offered !== undefined && !protocols.includes(SUBPROTOCOL)) {
    return malformed('The subprotocol sluice.v1 is not offered.');
  }
  if (bearers.length > 1 || (bearers.length === 1 && authorization !== undefined)) {
    return malformed('More than one token is offered.');
  }
  const token = bearers[0]?.slice(BEARER_PROTOCOL.length) ?? bearerOf(authorization);
  if (token === undefined) return malformed('The Authorization header is not a bearer token.');
  if (token === '') return { ok: false, status: 401, reason: 'No token.' };
  return { ok: true, token, ...(offered === undefined ? {} : { protocol: SUBPROTOCOL }) };
}

/** '' when there is no header; undefined when it is of another form. */
function bearerOf(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return '';
  return /^Bearer +([^\s,]+)$/i.exec(authorization)?.[1];
}

function isLoopbackOrigin(origin: string): boolean {
  if (!URL.canParse(origin)) return false;
  const { protocol, hostname } = new URL(origin);
  if (protocol !== 'http:' && protocol !== 'https:') return false;
  return hostname === 'localhost' || hostname.endsWith('.localhost') || isLoopbackHost(hostname);
}

function malformed(reason: string): Offer {
  return { ok: false, status: 400, reason };
}

function refuse(status: 403 | 429, reason: string): Admission {
  return { ok: false, status, reason };
}
