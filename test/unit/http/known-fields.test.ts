// A field section that comes again is not scanned again; whatever is only nearly the same is.

import { describe, expect, test } from 'vitest';
import {
  KNOWN_MISSES_MAX,
  KNOWN_SECTION_BYTES_MAX,
  KnownFields,
} from '../../../lib/http/known-fields.ts';
import { HTTP_HEAD_LIMITS } from '../../../lib/http/limits.ts';
import { forEveryCut } from '../../support/chunkings.ts';
import { parseRequests, request } from './parse-requests.ts';

const FIELDS = ['Host: a', 'Accept: */*', 'X-Some: value'];
const get = (target: string, ...fields: readonly string[]): string =>
  request(`GET ${target} HTTP/1.1`, ...(fields.length > 0 ? fields : FIELDS));
const parse = (text: string) => parseRequests([Buffer.from(text, 'latin1')]);

describe('requests with the same fields', () => {
  test('mean the same, each with its own target, however they are cut', async () => {
    const targets = ['/a', '/b?c', '/', '/d', '/e', '/f'];
    const post = request('POST /p HTTP/1.1', 'Host: a', 'Content-Length: 2');
    const input = `${targets.map((target) => get(target)).join('')}${`${post}xy`.repeat(4)}`;
    await forEveryCut(input, (pieces) => {
      const { requests, fault } = parseRequests(pieces);
      expect(fault).toBeUndefined();
      expect(requests.map((one) => one.head.target)).toEqual([...targets, '/p', '/p', '/p', '/p']);
      expect(requests.slice(-4).map((one) => one.body)).toEqual(['xy', 'xy', 'xy', 'xy']);
      for (const one of requests.slice(0, targets.length)) {
        expect(one.head.fields).toEqual(['host', 'a', 'accept', '*/*', 'x-some', 'value']);
      }
    });
  });

  test('are judged by their own version and method', () => {
    const te = ['Host: a', 'Transfer-Encoding: chunked'];
    const chunked = `${request('POST / HTTP/1.1', ...te)}0\r\n\r\n`;
    const old = request('POST / HTTP/1.0', ...te);
    expect(parse(chunked.repeat(3) + old).fault).toBe('ERR_HTTP_TRANSFER_CODING_VERSION');
    const absolute = request('GET http://b/ HTTP/1.1', ...FIELDS);
    expect(parse(get('/').repeat(3) + absolute).fault).toBe('ERR_HTTP_HOST');
    const { requests } = parse(get('/').repeat(3) + request('GET / HTTP/1.0', ...FIELDS));
    expect(requests.map((one) => one.head.keepAlive)).toEqual([true, true, true, false]);
  });
});

describe('fields that are nearly the same', () => {
  const known = get('/').repeat(3);
  test.each<[string, string, readonly string[]]>([
    ['one byte differs', 'X-Some: valuf', ['x-some', 'valuf']],
    ['one byte more', 'X-Some: value2', ['x-some', 'value2']],
    ['one byte less', 'X-Some: valu', ['x-some', 'valu']],
    ['another case', 'x-some: value', ['x-some', 'value']],
  ])('%s', (_name, last, expected) => {
    const { requests } = parse(known + get('/', 'Host: a', 'Accept: */*', last) + get('/end'));
    expect(requests[3]?.head.fields.slice(-2)).toEqual(expected);
    expect(requests[4]?.head.target).toBe('/end');
  });

  test('one field more, and one less', () => {
    const { requests } = parse(known + get('/', ...FIELDS, 'Y: z') + get('/', 'Host: a'));
    expect(requests.map((one) => one.head.fields.length)).toEqual([6, 6, 6, 8, 2]);
  });

  test('a bare LF where the known section has its end', () => {
    const broken = get('/').replace('value\r\n\r\n', 'value\r\n\n');
    expect(parse(known + broken).fault).toBe('ERR_HTTP_FIELD_NAME');
  });
});

describe('bounds', () => {
  const HOST = 'Host: a';
  /** A section of this length whose value tells it from others. */
  const sectionOf = (length: number): string => {
    const start = `${HOST}\r\nX: `;
    return `${start}${'x'.repeat(length - start.length - 4)}\r\n\r\n`;
  };
  const keep = (known: KnownFields, section: string): boolean => {
    const bytes = Buffer.from(section);
    known.keep(bytes, 0, bytes.length, [], {} as never);
    return known.matches(bytes, 0, bytes.length);
  };

  test.each([
    [KNOWN_SECTION_BYTES_MAX - 1, true],
    [KNOWN_SECTION_BYTES_MAX, true],
    [KNOWN_SECTION_BYTES_MAX + 1, false],
  ])('a section of %i bytes is kept: %s', (length, isKept) => {
    const known = new KnownFields();
    keep(known, sectionOf(length));
    expect(keep(known, sectionOf(length))).toBe(isKept);
  });

  test('the section of a first request is not kept: it is often the only one', () => {
    expect(keep(new KnownFields(), sectionOf(50))).toBe(false);
  });

  test('a client whose fields always differ costs nothing any more', () => {
    const known = new KnownFields();
    for (let i = 0; i <= KNOWN_MISSES_MAX; i++) {
      const bytes = Buffer.from(sectionOf(50 + i));
      known.keep(bytes, 0, bytes.length, [], {} as never);
      expect(known.length > 0).toBe(i > 0);
    }
    expect(keep(known, sectionOf(50))).toBe(false);
    expect(known.length).toBe(0);
  });

  test('a known section does not carry a head over its bound', () => {
    const limits = { ...HTTP_HEAD_LIMITS, headBytesMax: 128, targetBytesMax: 100 };
    const short = `GET / HTTP/1.1\r\n${sectionOf(80)}`;
    const long = `GET /${'a'.repeat(60)} HTTP/1.1\r\n${sectionOf(80)}`;
    const input = Buffer.from(short.repeat(3) + long);
    expect(parseRequests([input], limits).fault).toBe('ERR_HTTP_HEAD_LENGTH');
  });
});
