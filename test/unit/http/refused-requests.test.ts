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
import {
  chunked,
  type FaultName,
  HOST,
  REFUSED_CHUNKS,
  REFUSED_FRAMINGS,
  REFUSED_HEADS,
  REFUSED_HIDING,
  REFUSED_SMUGGLING,
  SMUGGLED,
} from '../../support/refused-requests.ts';
import { parseRequests, request } from './parse-requests.ts';

const SMALL_LIMITS = { headBytesMax: 128, headerCountMax: 4, targetBytesMax: 32 };

describe('refuses, for every cut:', () => {
  test.each(REFUSED_HEADS)('%s', (_name, input, fault) => refuses(input, fault, 0));
  test.each(REFUSED_FRAMINGS)('framing by %s', (_name, input, fault) => refuses(input, fault, 0));
  test.each(REFUSED_SMUGGLING)('smuggling by %s', (_name, input, fault) =>
    refuses(input, fault, 0),
  );
  test.each([...REFUSED_CHUNKS, ...REFUSED_HIDING])(
    'a chunked body with %s',
    (_name, body, fault) => refuses(chunked(body), fault, 1),
  );
});

describe('one byte too many, at every place of a head:', () => {
  const head = request('POST /a?b=c HTTP/1.1', HOST, 'Content-Length: 5', 'X-Some: value');
  const places = Array.from({ length: head.length - 1 }, (_, i) => i);
  test.each([
    ['a bare LF', '\n'],
    ['a bare CR', '\r'],
    ['NUL', '\0'],
    ['a vertical tab', '\x0b'],
    ['DEL', '\x7f'],
  ])('%s is refused', (_name, byte) => {
    for (const place of places) {
      const input = `${head.slice(0, place)}${byte}${head.slice(place)}hello${SMUGGLED}`;
      const bytes = Buffer.from(input, 'latin1');
      for (const pieces of [[bytes], Array.from(bytes, (one) => Buffer.from([one]))]) {
        const parsed = parseRequests(pieces);
        expect([place, parsed.status, parsed.requests.length]).toEqual([place, 400, 0]);
      }
    }
  });
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
