// The opening handshake of RFC 6455 section 4.2: what is accepted, and how each fault is refused.

import { describe, expect, test } from 'vitest';
import {
  acceptHeaders,
  acceptOf,
  checkHandshake,
  hasToken,
  isHeaderSafe,
  parseProtocols,
} from '../../../lib/websocket/handshake.ts';

const HEADERS: Readonly<Record<string, string>> = {
  host: 'example.com',
  upgrade: 'websocket',
  connection: 'Upgrade',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version': '13',
};

function judge(
  changes: Readonly<Record<string, string | undefined>>,
  method = 'GET',
  minorVersion = 1,
) {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...HEADERS, ...changes })) {
    if (value !== undefined) headers[name] = value;
  }
  return checkHandshake({ method, minorVersion, headers });
}

test('accepts the example of section 1.3', () => {
  expect(judge({})).toEqual({
    ok: true,
    accept: 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
    protocols: [],
    extensions: [],
  });
  expect(acceptOf('dGhlIHNhbXBsZSBub25jZQ==')).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
});

test.each([
  ['any case of the tokens', { upgrade: 'WebSocket', connection: 'upgrade' }],
  ['Firefox: keep-alive, Upgrade', { connection: 'keep-alive, Upgrade' }],
  ['several protocols in Upgrade', { upgrade: 'h2c, websocket' }],
  ['subprotocols', { 'sec-websocket-protocol': 'chat, superchat' }],
  ['extensions, which are not answered', { 'sec-websocket-extensions': 'permessage-deflate' }],
])('accepts %s', (_name, changes) => {
  expect(judge(changes).ok).toBe(true);
});

describe('refusals', () => {
  test.each([
    ['no Upgrade', { upgrade: undefined }, 426],
    ['another Upgrade', { upgrade: 'h2c' }, 400],
    ['no Connection', { connection: undefined }, 400],
    ['a Connection without the token', { connection: 'keep-alive' }, 400],
    ['a token that only begins alike', { connection: 'upgraded' }, 400],
    ['no version', { 'sec-websocket-version': undefined }, 400],
    ['version 8', { 'sec-websocket-version': '8' }, 426],
    ['two versions', { 'sec-websocket-version': '13, 13' }, 426],
    ['no key', { 'sec-websocket-key': undefined }, 400],
    ['a key of 15 bytes', { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25j' }, 400],
    ['a key of 17 bytes', { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZTE=' }, 400],
    ['a key that is not base64', { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25!ZQ==' }, 400],
    ['two keys', { 'sec-websocket-key': `${HEADERS['sec-websocket-key']}, a` }, 400],
    ['an empty subprotocol', { 'sec-websocket-protocol': '' }, 400],
    ['an empty item', { 'sec-websocket-protocol': 'a,,b' }, 400],
    ['a subprotocol twice', { 'sec-websocket-protocol': 'a, a' }, 400],
    ['a subprotocol that is no token', { 'sec-websocket-protocol': 'a b' }, 400],
  ])('%s', (_name, changes, status) => {
    expect(judge(changes)).toMatchObject({ ok: false, status });
  });

  test('426 names the version, and what to upgrade to', () => {
    for (const changes of [{ upgrade: undefined }, { 'sec-websocket-version': '7' }]) {
      expect(judge(changes)).toMatchObject({
        headers: { 'Sec-WebSocket-Version': '13', Upgrade: 'websocket' },
      });
    }
  });

  test.each(['POST', 'HEAD', 'PUT', 'get'])('the method %s: 405 with Allow', (method) => {
    expect(judge({}, method)).toMatchObject({ status: 405, headers: { Allow: 'GET' } });
  });

  test('HTTP/1.0', () => {
    expect(judge({}, 'GET', 0)).toMatchObject({ ok: false, status: 400 });
  });
});

test('subprotocols keep the order of the client', () => {
  expect(parseProtocols('sluice.v1, bearer.a.b-c_d')).toEqual(['sluice.v1', 'bearer.a.b-c_d']);
  expect(parseProtocols(undefined)).toEqual([]);
});

test('the answer has the protocol only when one was chosen', () => {
  expect(acceptHeaders('x', '')).not.toHaveProperty('Sec-WebSocket-Protocol');
  expect(acceptHeaders('x', 'chat')).toHaveProperty('Sec-WebSocket-Protocol', 'chat');
});

test.each([
  ['Set-Cookie', 'a=b', true],
  ['X-Empty', '', true],
  ['X Y', 'a', false],
  ['X:', 'a', false],
  ['', 'a', false],
  ['X', 'a\r\nY: b', false],
  ['X', 'a\nb', false],
  ['X', 'a\0b', false],
  ['X', '世', false],
])('header %j: %j can be sent: %s', (name, value, expected) => {
  expect(isHeaderSafe(name, value)).toBe(expected);
});

test('hasToken looks at whole items', () => {
  expect(hasToken(' a , Upgrade ', 'upgrade')).toBe(true);
  expect(hasToken('a;upgrade', 'upgrade')).toBe(false);
  expect(hasToken(undefined, 'upgrade')).toBe(false);
});
