// Bodies: borrowed, copied, streamed, discarded; their limit, 100-continue and the holding back of clients.

import { describe, expect, test } from 'vitest';
import { CHUNK_OVERHEAD_BYTES } from '../../../../lib/base/chunk-cost.ts';
import { DISCARDED_BYTES_MAX, UNREAD_BYTES_MAX } from '../../../../lib/server/http/http-body.ts';
import type { RouteHandler, ServerRequest, ServerResponse } from '../../../../lib/server/types.ts';
import { settle } from '../../../support/memory-transport.ts';
import { connectHttp, get, post, postChunked, readAnswers } from './http-fixture.ts';

const LIMIT = 1000;

function connectPost(handler: RouteHandler) {
  return connectHttp((router) => router.add('POST', '/', handler), {
    limits: { bodyBytesMax: LIMIT },
  });
}

const ignore = (): void => undefined;
const part = (text: string): string => text.slice(0, -1);

describe('a body that is read whole:', () => {
  test('is borrowed from the slab when it is there, and is not copied', async () => {
    const kept: Buffer[] = [];
    const { connection } = connectPost((request, response) =>
      request.onBody((body) => {
        kept.push(body);
        response.end(body);
      }, ignore),
    );
    connection.feed(post('/', 'abc'));
    expect(readAnswers(connection.outputText)[0]?.body).toBe('abc');
    // Whoever keeps it sees the poison.
    expect(kept[0]?.toString('latin1')).toBe('\xdd\xdd\xdd');
  });

  test('belongs to the caller when it comes from bytes()', async () => {
    const kept: Buffer[] = [];
    const { connection } = connectPost(async (request) => void kept.push(await request.bytes()));
    connection.feed(post('/', 'abc'));
    await settle();
    expect(kept[0]?.toString()).toBe('abc');
  });

  test('waits for a reader that comes late', async () => {
    const { connection } = connectPost(async (request, response) => {
      await settle();
      request.onBody((body) => response.end(body), ignore);
    });
    connection.feed(post('/', 'abc'));
    await settle();
    await settle();
    expect(readAnswers(connection.outputText)[0]?.body).toBe('abc');
  });

  test('can be JSON, and what is not JSON rejects', async () => {
    const { connection } = connectPost(async (request, response) => {
      const value = await request.json().catch(() => 'no');
      response.end(JSON.stringify(value));
    });
    connection.feed(post('/', '{"a":[1]}') + post('/', '{'));
    await settle();
    expect(readAnswers(connection.outputText).map(({ body }) => body)).toEqual([
      '{"a":[1]}',
      '"no"',
    ]);
  });

  test('cannot be read twice', async () => {
    const { connection, errors } = connectPost(async (request) => {
      await request.bytes();
      await request.bytes();
    });
    connection.feed(post('/', 'abc'));
    await settle();
    expect(errors).toMatchObject([{ code: 'ERR_STATE' }]);
  });

  test('grows to its length over many pieces', async () => {
    const text = 'abcdefghij'.repeat(30_000);
    const { connection } = connectPost(async (request, response) => {
      request.limitBody(text.length);
      response.end((await request.text()) === text ? 'same' : 'other');
    });
    connection.feed(post('/', text) + postChunked('/', text.slice(0, 70_000), text.slice(70_000)));
    await settle();
    await settle();
    expect(readAnswers(connection.outputText).map(({ body }) => body)).toEqual(['same', 'same']);
  });
});

describe('the limit of a body:', () => {
  const echo: RouteHandler = (request, response) =>
    request.onBody((body) => response.end(String(body.length)), ignore);
  const lengths: readonly (readonly [number, number])[] = [
    [LIMIT - 1, 200],
    [LIMIT, 200],
    [LIMIT + 1, 413],
  ];

  test.each(lengths)('%i bytes announced: %i', (length, status) => {
    const { connection } = connectPost(echo);
    connection.feed(post('/', 'x'.repeat(length)));
    expect(readAnswers(connection.outputText)[0]?.status).toBe(status);
    expect(connection.state).toBe(status === 200 ? 'open' : 'closing');
  });

  test.each(lengths)('%i bytes in chunks: %i', (length, status) => {
    const { connection } = connectPost(echo);
    connection.feed(postChunked('/', 'x'.repeat(500), 'x'.repeat(length - 500)));
    expect(readAnswers(connection.outputText)[0]?.status).toBe(status);
    expect(connection.state).toBe(status === 200 ? 'open' : 'closing');
  });

  test('is refused from the announcement, before a byte of it comes', () => {
    const { connection } = connectPost(echo);
    connection.feed(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${LIMIT + 1}\r\n\r\n`);
    expect(readAnswers(connection.outputText)[0]?.status).toBe(413);
  });

  test('rejects the reader, and its handler need not care', async () => {
    const errors: unknown[] = [];
    const fixture = connectPost(async (request) => {
      await request.bytes().catch((error: unknown) => {
        errors.push(error);
        throw error;
      });
    });
    fixture.connection.feed(post('/', 'x'.repeat(LIMIT + 1)));
    await settle();
    expect(errors).toMatchObject([{ code: 'ERR_HTTP_BODY_LENGTH', status: 413 }]);
    expect(fixture.errors).toEqual([]);
  });

  test('also holds for a body that came before its reader', async () => {
    const { connection } = connectPost(async (request) => {
      await settle();
      await request.bytes();
    });
    connection.feed(postChunked('/', 'x'.repeat(LIMIT + 1)));
    await settle();
    await settle();
    expect(readAnswers(connection.outputText)[0]?.status).toBe(413);
  });

  test.each([
    [2000, 200],
    [10, 413],
  ])('limitBody(%i) decides for 1001 bytes: %i', (limit, status) => {
    const { connection } = connectPost((request, response) => {
      request.limitBody(limit);
      request.onBody(() => response.end(), ignore);
    });
    connection.feed(post('/', 'x'.repeat(1001)));
    expect(readAnswers(connection.outputText)[0]?.status).toBe(status);
  });

  test('may not be changed while the body is read, nor be nonsense', () => {
    const { connection, errors } = connectPost((request) => {
      expect(() => request.limitBody(-1)).toThrow(/number of bytes/);
      request.onBody(ignore, ignore);
      request.limitBody(5);
    });
    connection.feed(part(post('/', 'abc')));
    expect(errors).toMatchObject([{ code: 'ERR_STATE' }]);
  });

  test('of a stream rejects the iteration', async () => {
    const outcomes: unknown[] = [];
    const { connection } = connectPost(async (request) => {
      try {
        for await (const chunk of iterable(request)) outcomes.push(chunk.length);
      } catch (error) {
        outcomes.push(error);
      }
    });
    connection.feed(part(postChunked('/', 'x'.repeat(600), 'x'.repeat(600))));
    await settle();
    expect(outcomes.at(-1)).toMatchObject({ status: 413 });
    expect(readAnswers(connection.outputText)[0]?.status).toBe(413);
  });
});

describe('a streamed body:', () => {
  test('comes in pieces that may be kept', async () => {
    const { connection } = connectPost(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of iterable(request)) chunks.push(chunk);
      response.end(Buffer.concat(chunks));
    });
    for (const piece of [post('/', 'abcdef').slice(0, -4), 'cd', 'ef']) {
      connection.feed(piece);
      await settle();
    }
    expect(readAnswers(connection.outputText)[0]?.body).toBe('abcdef');
  });

  test('holds the client back while its reader is busy', async () => {
    let release = ignore;
    const { connection } = connectPost(async (request, response) => {
      request.limitBody(1 << 20);
      let length = 0;
      for await (const chunk of iterable(request)) {
        if (length === 0) await new Promise<void>((resolve) => (release = resolve));
        length += chunk.length;
      }
      response.end(String(length));
    });
    connection.feed(post('/', 'x'.repeat(3 * UNREAD_BYTES_MAX)));
    await settle();
    expect(connection.isPaused).toBe(true);
    expect(connection.deadlineMs).toBe(0);
    release();
    while (connection.inboxBytes > 0) await settle();
    await settle();
    expect(readAnswers(connection.outputText)[0]?.body).toBe(String(3 * UNREAD_BYTES_MAX));
    expect(connection.isPaused).toBe(false);
  });

  test('may be left early: a small rest is dropped, and the connection lives', async () => {
    const { connection } = connectPost(async (request, response) => {
      for await (const _chunk of iterable(request)) break;
      response.end('enough');
    });
    connection.feed(part(post('/', 'abc')));
    await settle();
    connection.feed(`c${post('/', 'x')}`);
    await settle();
    expect(readAnswers(connection.outputText).map(({ body }) => body)).toEqual([
      'enough',
      'enough',
    ]);
  });
});

describe('a body that nobody reads:', () => {
  const answer: RouteHandler = (_request, response) => response.end('no');

  test.each([
    [DISCARDED_BYTES_MAX, 'open'],
    [DISCARDED_BYTES_MAX + 1, 'closing'],
  ])('of %i bytes leaves the connection %s', (length, state) => {
    const { connection } = connectPost(answer);
    connection.feed(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`);
    expect(connection.state).toBe(state);
    expect(readAnswers(connection.outputText)[0]?.headers['connection']).toBe(
      state === 'open' ? undefined : 'close',
    );
  });

  test('in chunks without end closes when it is too much', () => {
    const { connection } = connectPost(answer);
    connection.feed(part(postChunked('/', 'x'.repeat(DISCARDED_BYTES_MAX))));
    expect(connection.state).toBe('open');
    const { connection: other } = connectPost(answer);
    other.feed(postChunked('/', 'x'.repeat(DISCARDED_BYTES_MAX + 1), 'y'));
    expect(other.state).toBe('closing');
  });

  test.each([
    [Math.ceil(UNREAD_BYTES_MAX / (1 + CHUNK_OVERHEAD_BYTES)), false],
    [Math.ceil(UNREAD_BYTES_MAX / (1 + CHUNK_OVERHEAD_BYTES)) + 1, true],
  ])('%i chunks of one byte cost what they take: held %s', async (count, isHeld) => {
    const { connection } = connectPost(async (request) => {
      for await (const chunk of iterable(request)) await new Promise(() => chunk);
    });
    connection.feed('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n');
    await settle();
    // The first one is in the reader's hands.
    for (let i = 1; i < count; i++) connection.feed('1\r\nx\r\n');
    expect(connection.isPaused).toBe(isHeld);
  });

  test('waits, bounded, while the handler has not decided', async () => {
    const waiting: (readonly [ServerRequest, ServerResponse])[] = [];
    const { connection } = connectPost((request, response) => {
      request.limitBody(1 << 20);
      waiting.push([request, response]);
    });
    connection.feed(post('/', 'x'.repeat(2 * UNREAD_BYTES_MAX)));
    expect(connection.isPaused).toBe(true);
    const [request, response] = waiting[0] ?? [];
    request?.onBody((body) => response?.end(String(body.length)), ignore);
    await settle();
    expect(readAnswers(connection.outputText)[0]?.body).toBe(String(2 * UNREAD_BYTES_MAX));
  });
});

describe('Expect: 100-continue:', () => {
  const expectant = post('/', 'abc', 'Expect: 100-continue').slice(0, -3);
  const echo: RouteHandler = (request, response) =>
    request.onBody((body) => response.end(body), ignore);

  test('is answered when somebody reads the body', () => {
    const { connection } = connectPost(echo);
    connection.feed(expectant);
    expect(connection.outputText).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    connection.feed('abc');
    expect(readAnswers(connection.outputText).map(({ status }) => status)).toEqual([100, 200]);
    expect(connection.state).toBe('open');
  });

  test('is left out when the handler answers without the body, and closes', () => {
    const { connection } = connectPost((_request, response) => response.status(401).end());
    connection.feed(expectant);
    expect(readAnswers(connection.outputText)).toMatchObject([
      { status: 401, headers: { connection: 'close' } },
    ]);
    expect(connection.state).toBe('closing');
  });

  test('is left out for a body over the limit', () => {
    const { connection } = connectPost(echo);
    connection.feed(expectant.replace('Length: 3', 'Length: 1001'));
    expect(readAnswers(connection.outputText).map(({ status }) => status)).toEqual([413]);
  });

  test('other expectations get 417', () => {
    const { connection } = connectPost(echo);
    connection.feed(post('/', 'a', 'Expect: something'));
    expect(readAnswers(connection.outputText).map(({ status }) => status)).toEqual([417]);
    expect(connection.state).toBe('closing');
  });
});

describe('a request:', () => {
  test('has its parts', () => {
    const seen: unknown[] = [];
    const { connection } = connectHttp((router) =>
      router.add('GET', '/a/:b', (request, response) => {
        const { method, url, path, params, query, headers, ip } = request;
        seen.push({ method, url, path, b: params['b'], x: query.get('x'), ip });
        seen.push({ ...headers }, headers['constructor'], headers['__proto__']);
        response.end();
      }),
    );
    connection.feed(
      get('/a/b%2fc?x=1%202', 'X-A: 1', 'x-a: 2', 'Cookie: a=1', 'Cookie: b=2', '__proto__: p'),
    );
    expect(seen[0]).toEqual({
      method: 'GET',
      url: '/a/b%2fc?x=1%202',
      path: '/a/b%2fc',
      b: 'b/c',
      x: '1 2',
      ip: '192.0.2.1',
    });
    expect(seen[1]).toMatchObject({ host: 'a', 'x-a': '1, 2', cookie: 'a=1; b=2' });
    expect(seen.slice(2)).toEqual([undefined, 'p']);
  });
});

function iterable(request: ServerRequest): AsyncIterable<Buffer> {
  return { [Symbol.asyncIterator]: () => request[Symbol.asyncIterator]() };
}
