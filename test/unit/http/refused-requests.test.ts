// What the parser refuses, with code and status, through every cut of the input: nothing is repaired,
// and where the cut is does not change the verdict. A second request stands behind each, as a smuggler
// would put it; it must never be seen.

import { describe, expect, test } from 'vitest';
import { HTTP_FAULTS } from '../../../lib/http/faults.ts';
import {
  CHUNK_EXTENSION_BYTES_MAX,
  HTTP_HEAD_LIMITS,
  METHOD_BYTES_MAX,
  TRAILER_BYTES_MAX,
} from '../../../lib/http/limits.ts';
import { forEveryCut } from '../../support/chunkings.ts';
import { parseRequests, request } from './parse-requests.ts';

type FaultName = keyof typeof HTTP_FAULTS;

const HOST = 'Host: a';
const SMUGGLED = request('GET /smuggled HTTP/1.1', HOST);
const SMALL_LIMITS = { headBytesMax: 128, headerCountMax: 4, targetBytesMax: 32 };

const post = (...fields: readonly string[]): string => request('POST / HTTP/1.1', HOST, ...fields);
const chunked = (body: string): string => post('Transfer-Encoding: chunked') + body;

const HEADS: readonly (readonly [string, string, FaultName])[] = [
  ['a bare LF after the request line', `GET / HTTP/1.1\nHost: a\r\n\r\n`, 'versionSyntax'],
  ['a bare LF after a field', `GET / HTTP/1.1\r\nHost: a\n\r\n`, 'lineEnd'],
  ['a bare LF as the empty line', `GET / HTTP/1.1\r\nHost: a\r\n\n`, 'fieldName'],
  ['a bare CR in a value', 'GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n', 'lineEnd'],
  ['a bare CR after the request line', 'GET / HTTP/1.1\rHost: a\r\n\r\n', 'lineEnd'],
  ['CR CR LF', 'GET / HTTP/1.1\r\nHost: a\r\r\n\r\n', 'lineEnd'],
  ['CR without LF as the empty line', 'GET / HTTP/1.1\r\nHost: a\r\n\rX', 'lineEnd'],
  ['two empty lines first', `\r\n\r\n${request('GET / HTTP/1.1', HOST)}`, 'emptyLine'],
  ['a bare LF first', `\n${request('GET / HTTP/1.1', HOST)}`, 'method'],
  ['obs-fold', request('GET / HTTP/1.1', HOST, 'X: a', ' b'), 'fold'],
  ['obs-fold with a tab', request('GET / HTTP/1.1', HOST, '\tb'), 'fold'],
  ['a space before the colon', post('Content-Length : 5'), 'fieldName'],
  ['a tab before the colon', post('Transfer-Encoding\t: chunked'), 'fieldName'],
  ['a space within a name', post('Content Length: 5'), 'fieldName'],
  ['a name without a colon', post('Content-Length'), 'fieldName'],
  ['an empty name', post(': 5'), 'fieldName'],
  ['a name with a byte above ASCII', post('X\xe9: 5'), 'fieldName'],
  ['NUL in a name', post('Content-Length\0: 5'), 'fieldName'],
  ['NUL in a value', post('X: a\0b'), 'fieldValue'],
  ['a control character in a value', post('X: a\x0bb'), 'fieldValue'],
  ['DEL in a value', post('X: a\x7fb'), 'fieldValue'],
  ['NUL in the target', request('GET /\0 HTTP/1.1', HOST), 'target'],
  ['a byte above ASCII in the target', request('GET /\xe9 HTTP/1.1', HOST), 'target'],
  ['a fragment in the target', request('GET /#a HTTP/1.1', HOST), 'target'],
  ['two spaces after the method', request('GET  / HTTP/1.1', HOST), 'target'],
  ['two spaces after the target', request('GET /  HTTP/1.1', HOST), 'versionSyntax'],
  ['a tab in the request line', request('GET\t/ HTTP/1.1', HOST), 'method'],
  ['a space after the version', request('GET / HTTP/1.1 ', HOST), 'versionSyntax'],
  ['no target', request('GET HTTP/1.1', HOST), 'target'],
  ['no version', request('GET /', HOST), 'target'],
  ['a method that is not a token', request('G@T / HTTP/1.1', HOST), 'method'],
  ['no method', request(' / HTTP/1.1', HOST), 'method'],
  ['the first bytes of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'method'],
  ['a relative target', request('GET a HTTP/1.1', HOST), 'target'],
  ['an asterisk for GET', request('GET * HTTP/1.1', HOST), 'target'],
  ['an absolute target of another scheme', request('GET ftp://a/ HTTP/1.1', HOST), 'target'],
  ['an absolute target without a host', request('GET http:///x HTTP/1.1', HOST), 'target'],
  ['an absolute target with a user', request('GET http://u@a/ HTTP/1.1', HOST), 'target'],
  ['an absolute target of another host', request('GET http://b/ HTTP/1.1', HOST), 'host'],
  ['CONNECT', request('CONNECT a:443 HTTP/1.1', 'Host: a:443'), 'connectMethod'],
  ['HTTP/2.0', request('GET / HTTP/2.0', HOST), 'version'],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'version'],
  ['HTTP/1.2', request('GET / HTTP/1.2', HOST), 'version'],
  ['HTTP/0.9', request('GET / HTTP/0.9', HOST), 'version'],
  ['HTTP/1.10', request('GET / HTTP/1.10', HOST), 'versionSyntax'],
  ['HTTP/1', request('GET / HTTP/1', HOST), 'versionSyntax'],
  ['http/1.1', request('GET / http/1.1', HOST), 'versionSyntax'],
  ['HTTQ/1.1', request('GET / HTTQ/1.1', HOST), 'versionSyntax'],
  ['no Host', request('GET / HTTP/1.1', 'X: a'), 'hostMissing'],
  ['no field at all', 'GET / HTTP/1.1\r\n\r\n', 'hostMissing'],
  ['two Hosts', request('GET / HTTP/1.1', HOST, HOST), 'hostRepeated'],
  ['two Hosts in HTTP/1.0', request('GET / HTTP/1.0', HOST, 'HOST: b'), 'hostRepeated'],
  ['a Host that is a list', request('GET / HTTP/1.1', 'Host: a, b'), 'host'],
  ['an invalid Host in HTTP/1.0', request('GET / HTTP/1.0', 'Host: a b'), 'host'],
  ['too many connection options', post(`Connection: ${'a,'.repeat(16)}b`), 'connection'],
];

const FRAMINGS: readonly (readonly [string, string, FaultName])[] = [
  [
    'two different lengths',
    post('Content-Length: 5', 'Content-Length: 6'),
    'contentLengthRepeated',
  ],
  [
    'the same length twice',
    post('Content-Length: 5', 'Content-length: 5'),
    'contentLengthRepeated',
  ],
  ['a list of lengths', post('Content-Length: 5, 5'), 'contentLength'],
  ['an empty length', post('Content-Length:'), 'contentLength'],
  ['a tab behind the length', post('Content-Length: 5\t'), 'contentLength'],
  ['a tab before the length', post('Content-Length:\t5'), 'contentLength'],
  ['a tab behind chunked', post('Transfer-Encoding: chunked \t'), 'transferCoding'],
  ['a negative length', post('Content-Length: -5'), 'contentLength'],
  ['a length with a plus', post('Content-Length: +5'), 'contentLength'],
  ['a hexadecimal length', post('Content-Length: 0x5'), 'contentLength'],
  ['a length with a point', post('Content-Length: 5.0'), 'contentLength'],
  ['a length with a space in it', post('Content-Length: 1 1'), 'contentLength'],
  ['a length of superscripts', post('Content-Length: \xb2'), 'contentLength'],
  ['a length beyond all numbers', post(`Content-Length: ${'9'.repeat(16)}`), 'bodyLength'],
  ['length and chunked', post('Content-Length: 5', 'Transfer-Encoding: chunked'), 'twoLengths'],
  ['chunked and length', post('Transfer-Encoding: chunked', 'Content-Length: 5'), 'twoLengths'],
  ['length and an unknown coding', post('Content-Length: 5', 'Transfer-Encoding: x'), 'twoLengths'],
  ['an unknown coding', post('Transfer-Encoding: gzip'), 'transferCoding'],
  ['a coding before chunked', post('Transfer-Encoding: gzip, chunked'), 'transferCoding'],
  ['chunked not last', post('Transfer-Encoding: chunked, gzip'), 'transferCoding'],
  ['chunked twice', post('Transfer-Encoding: chunked, chunked'), 'transferCoding'],
  [
    'two codings in two fields',
    post('Transfer-Encoding: x', 'Transfer-Encoding: chunked'),
    'transferCoding',
  ],
  ['identity', post('Transfer-Encoding: identity'), 'transferCoding'],
  ['an empty coding', post('Transfer-Encoding:'), 'transferCoding'],
  ['a coding with a parameter', post('Transfer-Encoding: chunked;a=b'), 'transferCoding'],
  ['a quoted coding', post('Transfer-Encoding: "chunked"'), 'transferCoding'],
  ['a vertical tab in the coding', post('Transfer-Encoding: \x0bchunked'), 'fieldValue'],
  [
    'chunked in HTTP/1.0',
    request('POST / HTTP/1.0', 'Transfer-Encoding: chunked'),
    'transferCodingVersion',
  ],
];

const CHUNKS: readonly (readonly [string, string, FaultName])[] = [
  ['no size', '\r\nhello', 'chunkSize'],
  ['a size that is no number', 'x\r\n', 'chunkSize'],
  ['a size with a prefix', '0x5\r\nhello\r\n', 'chunkSize'],
  ['a signed size', '+5\r\nhello\r\n', 'chunkSize'],
  ['a space before the size', ' 5\r\nhello\r\n', 'chunkSize'],
  ['a space after the size', '5 \r\nhello\r\n', 'chunkSize'],
  ['a size of nine digits', '000000005\r\nhello\r\n', 'chunkSize'],
  ['a size that overflows', 'fffffffffffffffff\r\n', 'chunkSize'],
  ['a bare LF after the size', '5\nhello\r\n', 'chunkSize'],
  ['a bare CR after the size', '5\rhello\r\n', 'chunkSize'],
  ['more data than the size', '5\r\nhello!\r\n', 'chunkEnd'],
  ['a bare LF after the data', '5\r\nhello\n0\r\n\r\n', 'chunkEnd'],
  ['a bare CR after the data', '5\r\nhello\r0\r\n\r\n', 'chunkEnd'],
  ['an extension without a name', '5;\r\nhello\r\n', 'chunkExtension'],
  ['a space in an extension', '5; a\r\nhello\r\n', 'chunkExtension'],
  ['an extension without a value', '5;a=\r\nhello\r\n', 'chunkExtension'],
  ['a bare LF in an extension', '5;a\nhello\r\n', 'chunkExtension'],
  ['a bare LF in a quoted value', '5;a="\n"\r\nhello\r\n', 'chunkExtension'],
  ['a control character behind a backslash', '5;a="\\\0"\r\nhello\r\n', 'chunkExtension'],
  ['something after a quoted value', '5;a="b"c\r\nhello\r\n', 'chunkExtension'],
  ['a line end missing after the last chunk', '0\r\nGET / HTTP/1.1\r\n\r\n', 'trailer'],
  ['obs-fold in the trailers', '0\r\nX: a\r\n b\r\n\r\n', 'trailer'],
  ['a space before a trailer colon', '0\r\nX : a\r\n\r\n', 'trailer'],
  ['NUL in a trailer', '0\r\nX: \0\r\n\r\n', 'trailer'],
  ['a bare LF after a trailer', '0\r\nX: a\n\r\n', 'trailer'],
  ['a bare CR after a trailer', '0\r\nX: a\r\r\n', 'trailer'],
  ['a bare CR at the end', '0\r\n\rX', 'trailer'],
  ['a length among the trailers', '0\r\nContent-Length: 5\r\n\r\n', 'trailer'],
  ['a connection option among the trailers', '0\r\nConnection: close\r\n\r\n', 'trailer'],
  ['a coding among the trailers', '0\r\ntransfer-encoding: chunked\r\n\r\n', 'trailer'],
];

describe('refuses, for every cut:', () => {
  test.each(HEADS)('%s', (_name, input, fault) => refuses(input, fault, 0));
  test.each(FRAMINGS)('framing by %s', (_name, input, fault) => refuses(input, fault, 0));
  test.each(CHUNKS)('a chunked body with %s', (_name, body, fault) =>
    refuses(chunked(body), fault, 1),
  );
});

describe('bounds:', () => {
  const line = (length: number): string => `GET /${'a'.repeat(length - 1)} HTTP/1.1\r\n`;
  const padded = (length: number): string => {
    const start = `GET / HTTP/1.1\r\n${HOST}\r\nX: `;
    return `${start}${'x'.repeat(length - start.length - 4)}\r\n\r\n`;
  };
  const fields = (count: number): string =>
    request('GET / HTTP/1.1', HOST, ...Array.from({ length: count - 1 }, (_, i) => `X${i}: a`));
  const extension = (length: number): string => `1;${'e'.repeat(length)}\r\na\r\n0\r\n\r\n`;
  const trailer = (length: number): string => `0\r\nX:${'t'.repeat(length - 6)}\r\n\r\n`;

  test.each([
    ['the target one below', `${line(31)}${HOST}\r\n\r\n`, undefined],
    ['the target at its bound', `${line(32)}${HOST}\r\n\r\n`, undefined],
    ['the target one above', `${line(33)}${HOST}\r\n\r\n`, HTTP_FAULTS.targetLength],
    ['a target without end', `GET /${'a'.repeat(500)}`, HTTP_FAULTS.targetLength],
    ['the head one below', padded(127), undefined],
    ['the head at its bound', padded(128), undefined],
    ['the head one above', padded(129), HTTP_FAULTS.headLength],
    ['a field without end', `${line(4)}X: ${'a'.repeat(500)}`, HTTP_FAULTS.headLength],
    ['fields one below', fields(3), undefined],
    ['fields at their bound', fields(4), undefined],
    ['fields one above', fields(5), HTTP_FAULTS.fieldCount],
    [
      'a method at its bound',
      request(`${'M'.repeat(METHOD_BYTES_MAX)} / HTTP/1.1`, HOST),
      undefined,
    ],
    [
      'a method one above',
      request(`${'M'.repeat(METHOD_BYTES_MAX + 1)} / HTTP/1.1`, HOST),
      HTTP_FAULTS.methodLength,
    ],
  ])('%s', async (_name, input, fault) => {
    await forEveryCut(input, (pieces) => {
      const parsed = parseRequests(pieces, SMALL_LIMITS);
      expect(parsed.fault).toBe(fault?.code);
      expect(parsed.requests).toHaveLength(fault === undefined ? 1 : 0);
    });
  });

  test.each([
    ['chunk extensions at their bound', extension(CHUNK_EXTENSION_BYTES_MAX - 1), undefined],
    [
      'chunk extensions one above',
      extension(CHUNK_EXTENSION_BYTES_MAX),
      HTTP_FAULTS.chunkExtension,
    ],
    ['trailers at their bound', trailer(TRAILER_BYTES_MAX), undefined],
    ['trailers one above', trailer(TRAILER_BYTES_MAX + 1), HTTP_FAULTS.trailerLength],
  ])('%s', async (_name, body, fault) => {
    await forEveryCut(chunked(body), (pieces) => {
      const parsed = parseRequests(pieces);
      expect(parsed.fault).toBe(fault?.code);
      expect(parsed.requests[0]?.isComplete).toBe(fault === undefined);
    });
  });

  test('a head as large as allowed arrives byte by byte in linear time', () => {
    const start = `GET / HTTP/1.1\r\n${HOST}\r\nX: `;
    const input = `${start}${'x'.repeat(HTTP_HEAD_LIMITS.headBytesMax - start.length - 4)}\r\n\r\n`;
    const pieces = Array.from(Buffer.from(input), (byte) => Buffer.from([byte]));
    expect(parseRequests(pieces).requests).toHaveLength(1);
  });
});

test('every fault has its own code, and a status that refuses', () => {
  const faults = Object.values(HTTP_FAULTS);
  expect(new Set(faults.map((fault) => fault.code)).size).toBe(faults.length);
  for (const fault of faults) expect(fault.status).toBeGreaterThanOrEqual(400);
});

async function refuses(input: string, name: FaultName, headsBefore: number): Promise<void> {
  const fault = HTTP_FAULTS[name];
  await forEveryCut(input + SMUGGLED, (pieces) => {
    const parsed = parseRequests(pieces);
    expect(parsed.fault).toBe(fault.code);
    expect(parsed.status).toBe(fault.status);
    expect(parsed.requests).toHaveLength(headsBefore);
    expect(parsed.requests.every((one) => !one.isComplete)).toBe(true);
  });
}
