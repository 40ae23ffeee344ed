// The request of a connection that became a WebSocket, as one string: it may live for days, and is seldom
// looked at. One line each for the target, the path, the parameters and every field:
//
//   target LF [path, if it is not the target's] LF [parameters as JSON, if there are any] LF field LF ...
//   field: char(PAIR + i)                 a field and its value that most handshakes have
//        | char(NAME + i) value           a usual name
//        | name ':' value

import type { RouteParams } from '../../http/path-table.ts';

/** What is kept of a request. Its method is GET. */
export interface RequestParts {
  readonly url: string;
  readonly path: string;
  readonly params: RouteParams;
  /** Name and value alternating, names in lower case. */
  readonly fields: readonly string[];
}

/** No part has a line break in it: HTTP forbids it, JSON writes it in another way. */
const BREAK = '\n';
const COLON = ':';

/** No name begins with a character beyond ASCII. */
const NAME = 0x80;
const NAMES: readonly string[] = [
  'host',
  'connection',
  'upgrade',
  'origin',
  'user-agent',
  'cookie',
  'authorization',
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'pragma',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-real-ip',
  'x-request-id',
  'sec-fetch-dest',
  'sec-fetch-mode',
  'sec-fetch-site',
  'sec-websocket-extensions',
  'sec-websocket-key',
  'sec-websocket-protocol',
  'sec-websocket-version',
];

const PAIR = 0xc0;
const PAIRS: readonly (readonly [string, string])[] = [
  ['connection', 'Upgrade'],
  ['connection', 'upgrade'],
  ['connection', 'keep-alive, Upgrade'],
  ['upgrade', 'websocket'],
  ['sec-websocket-version', '13'],
  ['sec-websocket-extensions', 'permessage-deflate; client_max_window_bits'],
  ['sec-websocket-extensions', 'permessage-deflate'],
  ['pragma', 'no-cache'],
  ['cache-control', 'no-cache'],
  ['accept-encoding', 'gzip, deflate, br, zstd'],
  ['accept-encoding', 'gzip, deflate, br'],
  ['sec-fetch-dest', 'empty'],
  ['sec-fetch-dest', 'websocket'],
  ['sec-fetch-mode', 'websocket'],
  ['sec-fetch-site', 'same-origin'],
  ['x-forwarded-proto', 'https'],
];

const nameCodes = new Map(NAMES.map((name, i) => [name, String.fromCharCode(NAME + i)]));
const pairCodes = new Map(
  PAIRS.map(([name, value], i) => [name + COLON + value, String.fromCharCode(PAIR + i)]),
);

/** A string of its own, which holds no other. */
export function packRequest({ url, path, params, fields }: RequestParts): string {
  const hasParams = Object.keys(params).length > 0;
  const lines = [url, path === pathOf(url) ? '' : path, hasParams ? JSON.stringify(params) : ''];
  for (let i = 0; i < fields.length; i += 2) {
    lines.push(packField(fields[i] as string, fields[i + 1] as string));
  }
  return lines.join(BREAK);
}

export function unpackRequest(packed: string): RequestParts {
  const lines = packed.split(BREAK);
  const [url = '', path = '', params = ''] = lines;
  const fields: string[] = [];
  for (let i = 3; i < lines.length; i++) unpackField(lines[i] as string, fields);
  return { url, path: path === '' ? pathOf(url) : path, params: paramsOf(params), fields };
}

function packField(name: string, value: string): string {
  const field = name + COLON + value;
  const pair = pairCodes.get(field);
  if (pair !== undefined) return pair;
  const code = nameCodes.get(name);
  return code === undefined ? field : code + value;
}

function unpackField(line: string, fields: string[]): void {
  const code = line.charCodeAt(0);
  if (code >= PAIR) fields.push(...(PAIRS[code - PAIR] ?? []));
  else if (code >= NAME) fields.push(NAMES[code - NAME] ?? '', line.slice(1));
  else {
    const colon = line.indexOf(COLON);
    fields.push(line.slice(0, colon), line.slice(colon + 1));
  }
}

function pathOf(url: string): string {
  const question = url.indexOf('?');
  return question === -1 ? url : url.slice(0, question);
}

/** A record without a prototype, as the table of paths makes them. */
function paramsOf(json: string): RouteParams {
  const params = Object.create(null) as Record<string, string>;
  return json === '' ? params : Object.assign(params, JSON.parse(json));
}
