// Answers that are streamed: backpressure, sources of every kind, their cleanup, abort signals.

import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { HIGH_WATER_BYTES } from '../../../../lib/native/layout.ts';
import type { BodySource, RouteHandler } from '../../../../lib/server/types.ts';
import { settle } from '../../../support/memory-transport.ts';
import { connectHttp, get, post, readAnswers } from './http-fixture.ts';

/** A source that tells what was done to it. */
class Source implements AsyncIterable<string | Uint8Array> {
  asked = 0;
  returned = 0;
  readonly #chunks: readonly (string | Uint8Array | Error | Promise<never>)[];

  constructor(...chunks: readonly (string | Uint8Array | Error | Promise<never>)[]) {
    this.#chunks = chunks;
  }

  [Symbol.asyncIterator](): AsyncIterator<string | Uint8Array> {
    return {
      next: async () => {
        const chunk = this.#chunks[this.asked++];
        if (chunk instanceof Error) throw chunk;
        if (chunk === undefined) return { done: true, value: undefined };
        return { done: false, value: await chunk };
      },
      return: async () => {
        this.returned++;
        return { done: true, value: undefined };
      },
    };
  }
}

const never = new Promise<never>(() => undefined);
const LARGE = 'x'.repeat(HIGH_WATER_BYTES);

function serve(handler: RouteHandler) {
  return connectHttp((router) => router.add('GET', '/', handler));
}

/** @returns a connection that was asked for `source`, and what stream() came to */
function streamOf(source: BodySource, request = get('/')) {
  const outcomes: unknown[] = [];
  const fixture = serve(async (_request, response) => {
    outcomes.push(await response.stream(source));
  });
  fixture.connection.feed(request);
  return { ...fixture, outcomes };
}

describe('a streamed answer', () => {
  const sources: readonly (readonly [string, () => BodySource])[] = [
    ['an async source', () => new Source('a', Buffer.from('b'), '', 'é')],
    ['an array', () => ['a', 'b', 'é']],
    ['a Readable', () => Readable.from([Buffer.from('ab'), 'é'])],
    [
      'a generator',
      async function* () {
        yield 'a';
        yield 'bé';
      } as unknown as () => BodySource,
    ],
  ];
  test.each(sources)(
    'comes from %s, in chunks, and the next request is answered',
    async (_name, make) => {
      const { connection, outcomes, errors } = streamOf(make());
      await settle();
      const [answer] = readAnswers(connection.takeOutput().toString('latin1'));
      expect(answer?.headers['transfer-encoding']).toBe('chunked');
      expect(Buffer.from(answer?.body ?? '', 'latin1').toString()).toBe('abé');
      expect(outcomes).toEqual([true]);
      expect(errors).toEqual([]);
      expect(connection.state).toBe('open');
    },
  );

  test('has its declared length, and one that is longer is cut', async () => {
    const whole = serve((_request, response) =>
      response.header('Content-Length', '2').stream(['a', 'b']),
    );
    whole.connection.feed(get('/'));
    await settle();
    expect(readAnswers(whole.connection.outputText)[0]?.body).toBe('ab');
    const source = new Source('ab', 'c');
    const long = serve((_request, response) =>
      response.header('Content-Length', '2').stream(source),
    );
    long.connection.feed(get('/'));
    await settle();
    expect(long.connection.state).toBe('reset');
    expect(source.returned).toBe(1);
    expect(long.errors).toMatchObject([{ code: 'ERR_STATE' }]);
  });

  test('asks for no more than the client takes', async () => {
    const source = new Source(LARGE, LARGE, 'end');
    const outcomes: unknown[] = [];
    const { connection } = serve(async (_request, response) => {
      outcomes.push(await response.stream(source));
    });
    connection.stalled = true;
    connection.feed(get('/'));
    await settle();
    expect(source.asked).toBe(1);
    connection.drain();
    await settle();
    expect(source.asked).toBe(4);
    expect(outcomes).toEqual([true]);
  });

  test('to HEAD sends the head alone and closes the source unread', async () => {
    const source = new Source('a');
    const { connection, outcomes } = streamOf(source, get('/').replace('GET', 'HEAD'));
    await settle();
    const [answer] = readAnswers(connection.outputText, ['HEAD']);
    expect(answer?.headers['transfer-encoding']).toBe('chunked');
    expect([source.asked, source.returned]).toEqual([0, 1]);
    expect(outcomes).toEqual([true]);
  });

  test('whose source fails before anything was sent is a reset, for its head is out', async () => {
    const failure = new Error('disk');
    const { connection, errors } = streamOf(new Source('a', failure));
    await settle();
    expect(connection.state).toBe('reset');
    expect(errors).toEqual([failure]);
  });

  test('does not take what is no source', async () => {
    for (const source of ['text', Buffer.from('bytes'), 7, null]) {
      const { connection, errors } = streamOf(source as unknown as BodySource);
      await settle();
      expect(readAnswers(connection.outputText)[0]?.status).toBe(500);
      expect(errors).toMatchObject([{ code: 'ERR_ARG_TYPE' }]);
    }
  });
});

describe('a client that goes away during a stream', () => {
  test('ends it while a chunk is awaited: false, and the source is closed once', async () => {
    const source = new Source('a', never);
    const { connection, outcomes } = streamOf(source);
    await settle();
    connection.reap(-104);
    await settle();
    expect(outcomes).toEqual([false]);
    expect(source.returned).toBe(1);
  });

  test('ends it while it waits for room', async () => {
    const source = new Source(LARGE, LARGE, LARGE);
    const outcomes: unknown[] = [];
    const { connection } = serve(async (_request, response) => {
      outcomes.push(await response.stream(source));
    });
    connection.stalled = true;
    connection.feed(get('/'));
    await settle();
    expect(source.asked).toBe(1);
    connection.reap(-104);
    await settle();
    expect(outcomes).toEqual([false]);
    expect(source.returned).toBe(1);
  });

  test('destroys a Readable that has nothing to read', async () => {
    const readable = new Readable({ read: () => undefined });
    const { connection, outcomes } = streamOf(readable);
    await settle();
    connection.reap();
    await settle();
    expect(readable.destroyed).toBe(true);
    expect(outcomes).toEqual([false]);
  });

  test('before the stream begins leaves the source unread', async () => {
    const source = new Source('a');
    const outcomes: unknown[] = [];
    const { connection } = serve(async (request, response) => {
      await new Promise((resolve) => request.signal.addEventListener('abort', resolve));
      outcomes.push(await response.stream(source));
    });
    connection.feed(get('/'));
    connection.reap();
    await settle();
    expect(outcomes).toEqual([false]);
    expect([source.asked, source.returned]).toEqual([0, 1]);
  });

  test('and a source whose cleanup fails is told to onError', async () => {
    const failure = new Error('cleanup');
    const source: BodySource = {
      [Symbol.asyncIterator]: () => ({
        next: () => never,
        return: () => Promise.reject(failure),
      }),
    };
    const { connection, errors } = streamOf(source);
    connection.reap();
    await settle();
    expect(errors).toEqual([failure]);
  });
});

describe('drained()', () => {
  test('is resolved at once while little is pending: no drain would be reported', async () => {
    const outcomes: unknown[] = [];
    const { connection } = serve(async (_request, response) => {
      response.write('a');
      outcomes.push(await response.drained());
    });
    connection.stalled = true;
    connection.feed(get('/'));
    await settle();
    expect(outcomes).toEqual([true]);
  });

  test('waits at the high mark, and is false when the client is gone', async () => {
    const outcomes: unknown[] = [];
    const { connection } = serve(async (_request, response) => {
      response.write(LARGE);
      outcomes.push(await response.drained());
      response.write(LARGE);
      outcomes.push(await response.drained());
      outcomes.push(await response.drained());
    });
    connection.stalled = true;
    connection.feed(get('/'));
    await settle();
    expect(outcomes).toEqual([]);
    connection.drain();
    connection.stalled = true;
    await settle();
    expect(outcomes).toEqual([true]);
    connection.reap();
    await settle();
    expect(outcomes).toEqual([true, false, false]);
  });

  test('does not outlive the end of the answer', async () => {
    const outcomes: unknown[] = [];
    const { connection } = serve((_request, response) => {
      response.write(LARGE);
      response.drained().then((isOpen) => outcomes.push(isOpen));
      response.end();
      response.drained().then((isOpen) => outcomes.push(isOpen));
    });
    connection.stalled = true;
    connection.feed(get('/'));
    await settle();
    expect(outcomes).toEqual([true, true]);
  });
});

describe('request.signal', () => {
  const held = () => {
    const seen: { aborted: boolean; signal: AbortSignal; end: () => void }[] = [];
    const fixture = connectHttp((router) => {
      const keep: RouteHandler = (request, response) => {
        seen.push({
          get aborted() {
            return request.aborted;
          },
          get signal() {
            return request.signal;
          },
          end: () => response.end('late'),
        });
      };
      router.add('GET', '/', keep);
      router.add('POST', '/', keep);
    });
    return { ...fixture, seen };
  };

  test('is aborted when the client is gone, once, with a reason', () => {
    const { connection, seen } = held();
    connection.feed(get('/'));
    let events = 0;
    seen[0]?.signal.addEventListener('abort', () => events++);
    expect(seen[0]?.aborted).toBe(false);
    connection.reap(-104);
    expect(events).toBe(1);
    expect(seen[0]?.aborted).toBe(true);
    expect(seen[0]?.signal.reason).toMatchObject({ code: 'ERR_CLOSED' });
  });

  test('is aborted by a FIN, and the answer is still written', () => {
    const { connection, seen } = held();
    connection.feed(get('/'));
    const signal = seen[0]?.signal;
    connection.feedEnd();
    expect(signal?.aborted).toBe(true);
    seen[0]?.end();
    expect(readAnswers(connection.outputText)[0]?.body).toBe('late');
    connection.reap();
  });

  test('that is asked for afterwards is aborted already', () => {
    const { connection, seen } = held();
    connection.feed(get('/'));
    connection.reap();
    expect(seen[0]?.signal.aborted).toBe(true);
  });

  test('is aborted when the server answers in the place of the handler', () => {
    const { connection, seen } = held();
    connection.feed('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n');
    expect(readAnswers(connection.outputText)[0]?.status).toBe(400);
    expect(seen[0]?.aborted).toBe(true);
  });

  test('is never aborted once the answer is finished', () => {
    const { connection, seen } = held();
    connection.feed(get('/') + get('/'));
    const [first] = seen;
    const signal = first?.signal;
    first?.end();
    connection.feedEnd();
    connection.reap();
    expect(signal?.aborted).toBe(false);
    expect(first?.aborted).toBe(false);
    expect(seen[1]?.aborted).toBe(true);
  });
});

describe('short forms', () => {
  test('json() sets type and length, and keeps a type that was set', () => {
    const { connection } = connectHttp((router) => {
      router.add('GET', '/a', (_request, response) => response.json({ a: 'é' }));
      router.add('GET', '/b', (_request, response) =>
        response.status(404).header('Content-Type', 'application/problem+json').json(null),
      );
    });
    connection.feed(get('/a') + get('/b'));
    expect(readAnswers(connection.outputText)).toMatchObject([
      { status: 200, headers: { 'content-type': 'application/json', 'content-length': '10' } },
      { status: 404, headers: { 'content-type': 'application/problem+json' }, body: 'null' },
    ]);
  });

  test('json() of nothing, and redirect() with another status, are mistakes', () => {
    const { connection, errors } = connectHttp((router) => {
      router.add('GET', '/a', (_request, response) => response.json(undefined));
      router.add('GET', '/b', (_request, response) => response.redirect('/', 200));
    });
    connection.feed(get('/a'));
    expect(errors).toMatchObject([{ code: 'ERR_ARG_TYPE' }]);
    const other = connectHttp((router) =>
      router.add('GET', '/', (_request, response) => response.redirect('/\r\nX: y')),
    );
    other.connection.feed(get('/'));
    expect(other.errors).toMatchObject([{ code: 'ERR_ARG_RANGE' }]);
  });

  test('redirect() names the place', () => {
    const { connection } = connectHttp((router) => {
      router.add('POST', '/', (_request, response) => response.redirect('/done', 303));
    });
    connection.feed(post('/', ''));
    expect(readAnswers(connection.outputText)[0]).toMatchObject({
      status: 303,
      headers: { location: '/done', 'content-length': '0' },
    });
  });
});
