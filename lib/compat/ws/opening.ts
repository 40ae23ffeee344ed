// The opening handshake as the `ws` API does it: what is asked in which order, what is answered, and what
// a program may decide on the way. Reads a request of Node's, writes to nobody.

import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { parseProtocols } from '../../websocket/handshake.ts';

/** Sixteen bytes in base64. */
const KEY = /^[A-Za-z0-9+/]{22}==$/;
/** 8 is what the last drafts of RFC 6455 said, on the same wire; `ws` takes it, too. */
const VERSIONS: ReadonlySet<number> = new Set([13, 8]);

export interface Opening {
  readonly key: string;
  readonly version: number;
  /** What the client offers, in its order; undefined when the list is wrong. */
  readonly protocols: Set<string> | undefined;
  /** Sec-WebSocket-Extensions, unread. */
  readonly extensions: string | undefined;
}

export interface OpeningFault {
  readonly status: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function isFault(result: Opening | OpeningFault): result is OpeningFault {
  return 'status' in result;
}

/** Judges everything but the path. Never throws. */
export function readOpening(request: IncomingMessage): Opening | OpeningFault {
  const { headers } = request;
  const key = headers['sec-websocket-key'];
  const version = Number(headers['sec-websocket-version']);
  if (request.method !== 'GET') return { status: 405, message: 'The method must be GET' };
  if (headers.upgrade?.toLowerCase() !== 'websocket') {
    return { status: 400, message: 'Upgrade must be websocket' };
  }
  if (key === undefined || !KEY.test(key)) {
    return { status: 400, message: 'Sec-WebSocket-Key is missing or wrong' };
  }
  if (!VERSIONS.has(version)) {
    const message = 'Sec-WebSocket-Version is missing or unknown';
    return { status: 400, message, headers: { 'Sec-WebSocket-Version': '13, 8' } };
  }
  const offered = parseProtocols(headers['sec-websocket-protocol']);
  return {
    key,
    version,
    protocols: offered === undefined ? undefined : new Set(offered),
    extensions: headers['sec-websocket-extensions'],
  };
}

/** Answers a request that does not become a WebSocket, and ends the socket. */
export function abortHandshake(
  socket: Duplex,
  status: number,
  message: string = STATUS_CODES[status] ?? '',
  headers: Readonly<Record<string, unknown>> = {},
): void {
  const fields: Record<string, unknown> = {
    Connection: 'close',
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(message),
    ...headers,
  };
  const head = Object.entries(fields).map(([name, value]) => `${name}: ${String(value)}\r\n`);
  socket.once('finish', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join('')}\r\n${message}`);
}
