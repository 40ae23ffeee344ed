// What the parser accepts, through every cut of the input.

import { expect, test } from 'vitest';
import { forEveryCut } from '../../support/chunkings.ts';
import { type Parsed, parseRequests, request } from './parse-requests.ts';

interface Accepted {
  readonly name: string;
  readonly input: string;
  readonly expect: readonly {
    readonly method: string;
    readonly resource: string;
    readonly body?: string;
    readonly keepAlive?: boolean;
    readonly fields?: readonly string[];
  }[];
}

const HOST = 'Host: a.example';

const ACCEPTED: readonly Accepted[] = [
  {
    name: 'a plain GET',
    input: request('GET /hello?x=1 HTTP/1.1', HOST),
    expect: [{ method: 'GET', resource: '/hello?x=1', keepAlive: true, body: '' }],
  },
  {
    name: 'fields in order, lower-case names, trimmed and empty values, obs-text',
    input: request(
      'GET / HTTP/1.1',
      'HOST:a.example',
      'X-Odd:\t  a b\t ',
      'x-empty:',
      'Accept: */*',
      'X-Eight: \xe9\xff',
      'Accept: text/html',
    ),
    expect: [
      {
        method: 'GET',
        resource: '/',
        fields: [
          ...['host', 'a.example', 'x-odd', 'a b', 'x-empty', '', 'accept', '*/*'],
          ...['x-eight', '\xe9\xff', 'accept', 'text/html'],
        ],
      },
    ],
  },
  {
    name: 'a body by length and the next request behind it',
    input: `${request('POST /a HTTP/1.1', HOST, 'Content-Length: 11')}hello worldGET /b HTTP/1.1\r\n${HOST}\r\n\r\n`,
    expect: [
      { method: 'POST', resource: '/a', body: 'hello world' },
      { method: 'GET', resource: '/b', body: '' },
    ],
  },
  {
    name: 'a body that looks like a request',
    input: `${request('POST /a HTTP/1.1', HOST, 'Content-Length: 18')}GET / HTTP/1.1\r\n\r\n${request('GET /b HTTP/1.1', HOST)}`,
    expect: [
      { method: 'POST', resource: '/a', body: 'GET / HTTP/1.1\r\n\r\n' },
      { method: 'GET', resource: '/b' },
    ],
  },
  {
    name: 'a length of zero, and one with leading zeros',
    input: `${request('PUT /a HTTP/1.1', HOST, 'Content-Length: 0')}${request('PUT /b HTTP/1.1', HOST, 'Content-Length: 003')}abc`,
    expect: [
      { method: 'PUT', resource: '/a', body: '' },
      { method: 'PUT', resource: '/b', body: 'abc' },
    ],
  },
  {
    name: 'chunks, upper and lower case sizes, leading zeros, extensions, trailers',
    input: `${request('POST /a HTTP/1.1', HOST, 'Transfer-Encoding: Chunked')}5\r\nhello\r\n00C;a;b=c;d="e;\\" f"\r\n wonderful w\r\n4;x\r\norld\r\n0;last\r\nX-Sum: 1\r\nX-Empty:\r\n\r\n${request('GET /b HTTP/1.1', HOST)}`,
    expect: [
      { method: 'POST', resource: '/a', body: 'hello wonderful world' },
      { method: 'GET', resource: '/b' },
    ],
  },
  {
    name: 'an empty chunked body',
    input: `${request('POST /a HTTP/1.1', HOST, 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    expect: [{ method: 'POST', resource: '/a', body: '' }],
  },
  {
    name: 'one empty line before a request',
    input: `\r\n${request('GET /a HTTP/1.1', HOST)}\r\n${request('GET /b HTTP/1.1', HOST)}`,
    expect: [
      { method: 'GET', resource: '/a' },
      { method: 'GET', resource: '/b' },
    ],
  },
  {
    name: 'HTTP/1.0 without Host closes',
    input: 'GET /a HTTP/1.0\r\n\r\n',
    expect: [{ method: 'GET', resource: '/a', keepAlive: false }],
  },
  {
    name: 'HTTP/1.0 with keep-alive stays',
    input: request('GET /a HTTP/1.0', 'Connection: Keep-Alive'),
    expect: [{ method: 'GET', resource: '/a', keepAlive: true }],
  },
  {
    name: 'Connection: close among other options',
    input: request('GET /a HTTP/1.1', HOST, 'Connection: x-thing , Close'),
    expect: [{ method: 'GET', resource: '/a', keepAlive: false }],
  },
  {
    name: 'the absolute form',
    input: `${request('GET HTTP://a.example/x?y HTTP/1.1', 'Host: A.example')}${request('GET http://a.example?y HTTP/1.1', HOST)}`,
    expect: [
      { method: 'GET', resource: '/x?y' },
      { method: 'GET', resource: '/?y' },
    ],
  },
  {
    name: 'OPTIONS of the server',
    input: request('OPTIONS * HTTP/1.1', HOST),
    expect: [{ method: 'OPTIONS', resource: '*' }],
  },
  {
    name: 'a method that nobody knows, and bytes that browsers do not encode',
    input: request("M-SEARCH /a|b{}^`\\[]'%zz HTTP/1.1", HOST),
    expect: [{ method: 'M-SEARCH', resource: "/a|b{}^`\\[]'%zz" }],
  },
];

test.each(ACCEPTED)('accepts $name', async ({ input, expect: expected }) => {
  await forEveryCut(input, (pieces) => {
    const parsed = parseRequests(pieces);
    expect(parsed.fault).toBeUndefined();
    expect(parsed.isIdle).toBe(true);
    expect(parsed.requests).toHaveLength(expected.length);
    for (const [i, wanted] of expected.entries()) {
      const got = parsed.requests[i];
      expect(got?.isComplete).toBe(true);
      expect(got?.head).toMatchObject({ method: wanted.method, resource: wanted.resource });
      if (wanted.body !== undefined) expect(got?.body).toBe(wanted.body);
      if (wanted.keepAlive !== undefined) expect(got?.head.keepAlive).toBe(wanted.keepAlive);
      if (wanted.fields !== undefined) expect(got?.head.fields).toEqual(wanted.fields);
    }
  });
});

const HOSTS: readonly (readonly [string, boolean])[] = [
  ['a.example', true],
  ['a.example:8080', true],
  ['a.example:', true],
  ['127.0.0.1:1', true],
  ['[::1]', true],
  ['[2001:db8::1.2.3.4]:65535', true],
  ['a_b~c', true],
  ['%41', true],
  ['', false],
  [':80', false],
  ['a.example:65536', false],
  ['a.example:8a', false],
  ['a.example:80:80', false],
  ['a b', false],
  ['a,b/c', false],
  ['user@a.example', false],
  ['a.example/', false],
  ['[::1', false],
  ['[::1]x', false],
  ['[zz]', false],
  ['%4', false],
  ['\xe9.example', false],
  ['a'.repeat(256), false],
];

test.each(HOSTS)('Host %j is valid: %s', (host, isValid) => {
  const parsed = parse(request('GET / HTTP/1.1', `Host: ${host}`));
  expect(parsed.fault).toBe(isValid ? undefined : 'ERR_HTTP_HOST');
});

const EXPECTATIONS: readonly (readonly [string, number, boolean | string])[] = [
  ['100-continue', 1, true],
  ['100-Continue', 1, true],
  ['100-continue', 0, false],
  ['200-maybe', 0, false],
  ['200-maybe', 1, 'ERR_HTTP_EXPECTATION'],
  ['100-continue, x', 1, 'ERR_HTTP_EXPECTATION'],
];

test.each(EXPECTATIONS)('Expect %j in HTTP/1.%i: %s', (value, minor, outcome) => {
  const head = ['POST / HTTP/1.1'.replace(/1$/, String(minor)), HOST, 'Content-Length: 1'];
  const parsed = parse(request(...head, `Expect: ${value}`));
  if (typeof outcome === 'string') expect(parsed.fault).toBe(outcome);
  else expect(parsed.requests[0]?.head.expectsContinue).toBe(outcome);
});

test('expects no 100 without a body', () => {
  const parsed = parse(request('POST / HTTP/1.1', HOST, 'Expect: 100-continue'));
  expect(parsed.requests[0]?.head.expectsContinue).toBe(false);
});

test.each([
  ['websocket', 1, true],
  ['h2c, WebSocket', 1, true],
  ['h2c', 1, false],
  ['websockets', 1, false],
  ['websocket', 0, false],
])('Upgrade %j in HTTP/1.%i asks for a WebSocket: %s', (value, minor, wants) => {
  const parsed = parse(request(`GET / HTTP/1.${minor}`, HOST, `Upgrade: ${value}`));
  expect(parsed.requests[0]?.head.wantsWebSocket).toBe(wants);
});

test('bytes after a complete head are never touched', () => {
  const parsed = parse(`${request('GET / HTTP/1.1', HOST)}\0`);
  expect(parsed.requests).toHaveLength(1);
  expect(parsed.fault).toBe('ERR_HTTP_METHOD');
});

function parse(input: string): Parsed {
  return parseRequests([Buffer.from(input, 'latin1')]);
}
