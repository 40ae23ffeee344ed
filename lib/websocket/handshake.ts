// The server's side of the opening handshake (RFC 6455 section 4.2) as pure functions: what is asked,
// whether it is well-formed, and the head that answers it. What becomes of the extensions that are offered
// is in deflate-negotiation.ts.

import { hash } from 'node:crypto';
import { type ExtensionOffer, parseExtensions } from './extensions.ts';

/** The only version there is (RFC 6455 section 4.4). */
export const WEBSOCKET_VERSION = '13';

const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** Sixteen bytes in base64. */
const KEY = /^[A-Za-z0-9+/]{22}==$/;
/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** What may stand in a field's value: no control characters, so no second header (RFC 9110 5.5). */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** The part of a request that a handshake is judged by. */
export interface HandshakeRequest {
  readonly method: string;
  /** Minor version of HTTP/1. */
  readonly minorVersion: number;
  /** Lower-case names; repeated fields joined by ', '. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface Handshake {
  readonly ok: true;
  /** The value of Sec-WebSocket-Accept. */
  readonly accept: string;
  /** The subprotocols that the client offers, in its order. */
  readonly protocols: readonly string[];
  /** The extensions that the client offers, in its order. */
  readonly extensions: readonly ExtensionOffer[];
}

export interface HandshakeRefusal {
  readonly ok: false;
  readonly status: 400 | 405 | 426;
  readonly headers: Readonly<Record<string, string>>;
  readonly message: string;
}

/** Judges an opening handshake. Never throws. */
export function checkHandshake(request: HandshakeRequest): Handshake | HandshakeRefusal {
  const { headers } = request;
  if (request.method !== 'GET') return refuse(405, 'use GET', { Allow: 'GET' });
  if (request.minorVersion < 1) return refuse(400, 'WebSocket needs HTTP/1.1');
  const upgrade = headers['upgrade'];
  if (upgrade === undefined) return upgradeRequired('this is a WebSocket');
  if (!hasToken(upgrade, 'websocket')) return refuse(400, 'unknown Upgrade');
  if (!hasToken(headers['connection'], 'upgrade'))
    return refuse(400, 'Connection: Upgrade missing');
  const version = headers['sec-websocket-version'];
  if (version === undefined) return refuse(400, 'Sec-WebSocket-Version missing');
  if (version !== WEBSOCKET_VERSION) return upgradeRequired('unknown WebSocket version');
  const key = headers['sec-websocket-key'];
  if (key === undefined || !KEY.test(key)) return refuse(400, 'invalid Sec-WebSocket-Key');
  const protocols = parseProtocols(headers['sec-websocket-protocol']);
  if (protocols === undefined) return refuse(400, 'invalid Sec-WebSocket-Protocol');
  const extensions = parseExtensions(headers['sec-websocket-extensions']);
  if (extensions === undefined) return refuse(400, 'invalid Sec-WebSocket-Extensions');
  return { ok: true, accept: acceptOf(key), protocols, extensions };
}

/** The value of Sec-WebSocket-Accept for a key (RFC 6455 section 4.2.2). */
export function acceptOf(key: string): string {
  return hash('sha1', key + ACCEPT_SUFFIX, 'base64');
}

/** Parses a list of subprotocols. @returns undefined when it is not a list of different tokens */
export function parseProtocols(value: string | undefined): readonly string[] | undefined {
  if (value === undefined) return [];
  const seen = new Set<string>();
  for (const item of value.split(',')) {
    const protocol = item.trim();
    if (!TOKEN.test(protocol) || seen.has(protocol)) return undefined;
    seen.add(protocol);
  }
  return [...seen];
}

/**
 * The fields of a 101 answer.
 * @param protocol the chosen subprotocol, one that was offered; '' for none
 * @param extensions the accepted ones with their parameters; '' for none
 */
export function acceptHeaders(
  accept: string,
  protocol: string,
  extensions = '',
): Record<string, string> {
  const headers: Record<string, string> = {
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Accept': accept,
  };
  if (protocol !== '') headers['Sec-WebSocket-Protocol'] = protocol;
  if (extensions !== '') headers['Sec-WebSocket-Extensions'] = extensions;
  return headers;
}

/** True when the pair can stand in an answer's head without changing its structure. */
export function isHeaderSafe(name: string, value: string): boolean {
  return TOKEN.test(name) && FIELD_VALUE.test(value);
}

/** True when a comma-separated field has the token, whatever its case. */
export function hasToken(value: string | undefined, token: string): boolean {
  if (value === undefined) return false;
  return value.split(',').some((item) => item.trim().toLowerCase() === token);
}

function upgradeRequired(message: string): HandshakeRefusal {
  return refuse(426, message, {
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': WEBSOCKET_VERSION,
  });
}

function refuse(
  status: HandshakeRefusal['status'],
  message: string,
  headers: Readonly<Record<string, string>> = {},
): HandshakeRefusal {
  return { ok: false, status, headers, message };
}
