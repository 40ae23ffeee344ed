// Requests and answers on one connection: order, framing, keep-alive, refusals, the end.

import { describe, expect, test } from 'vitest';
import { HELD_BYTES_MAX, HELD_BYTES_READ } from '../../../../lib/server/http/http-connection.ts';
import type { Router } from '../../../../lib/server/http/router.ts';
import type { ServerResponse } from '../../../../lib/server/types.ts';
import { forEveryCut } from '../../../support/chunkings.ts';
import { settle } from '../../../support/memory-transport.ts';
import { connectHttp, get, NOW, post, postChunked, readAnswers } from './http-fixture.ts';

function routes(router: Router): void {
  router.add('GET', '/hello', (_request, response) => response.end('hello'));
  router.add('POST', '/echo', (request, response) => {
    request.onBody(
      (body) => response.end(body),
      () => undefined,
    );
  });
  router.add('POST', '/later', async (request, response) => {
    const text = await request.text();
    response.end(`later ${text}`);
  });
  router.add('POST', '/ignore', (_request, response) => response.end('ignored'));
  router.add('GET', '/throw', () => {
    throw new Error('thrown');
  });
  router.add('GET', '/reject', () => Promise.reject(new Error('rejected')));
  router.add('GET', '/half', (_request, response) => {
    response.write('half');
    throw new Error('in the middle');
  });
}

describe('answers, however the input is cut:', () => {
  const cases: readonly (readonly [string, string, readonly (readonly [number, string])[]])[] = [
    ['one request', get('/hello'), [[200, 'hello']]],
    ['a query', get('/hello?a=b'), [[200, 'hello']]],
    [
      'a pipeline of sync, async and chunked requests in order',
      post('/later', 'one') +
        post('/echo', 'two') +
        postChunked('/later', 'th', 'ree') +
        get('/hello'),
      [
        [200, 'later one'],
        [200, 'two'],
        [200, 'later three'],
        [200, 'hello'],
      ],
    ],
    [
      'bodies that nobody reads',
      post('/ignore', 'x'.repeat(40)) + postChunked('/ignore', 'abc') + get('/hello'),
      [
        [200, 'ignored'],
        [200, 'ignored'],
        [200, 'hello'],
      ],
    ],
    [
      'an empty body',
      post('/echo', '') + post('/later', ''),
      [
        [200, ''],
        [200, 'later '],
      ],
    ],
    [
      'unknown paths and methods',
      get('/none') + get('/echo') + post('/hello', 'x') + get('/hello'),
      [
        [404, 'Not Found\n'],
        [405, 'Method Not Allowed\n'],
        [405, 'Method Not Allowed\n'],
        [200, 'hello'],
      ],
    ],
    [
      'nothing behind a close',
      get('/hello', 'Connection: close') + get('/hello'),
      [[200, 'hello']],
    ],
    [
      'nothing behind a fault',
      `${get('/hello')}GET / HTTP/1.1\r\nHost: a\r\n\tx\r\n\r\n${get('/hello')}`,
      [
        [200, 'hello'],
        [400, 'A header line begins with a space.\n'],
      ],
    ],
    [
      'a fault in a body that is being read',
      `POST /later HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nx\r\n${get('/hello')}`,
      [[400, 'A chunk size is not valid.\n']],
    ],
  ];
  test.each(cases)('%s', async (_name, input, expected) => {
    await forEveryCut(
      input,
      async (pieces) => {
        const { connection, errors } = connectHttp(routes);
        for (const piece of pieces) connection.feed(piece);
        await settle();
        const answers = readAnswers(connection.outputText);
        expect(answers.map(({ status, body }) => [status, body])).toEqual(expected);
        expect(errors).toEqual([]);
        expect(connection.failures).toEqual([]);
      },
      { randomCuts: 4 },
    );
  });
});

describe('the head of an answer:', () => {
  const respond = (answer: (response: ServerResponse) => void, request = get('/')) => {
    const fixture = connectHttp((router) =>
      router.add('GET', '/', (_request, response) => answer(response)),
    );
    fixture.connection.feed(request);
    return fixture;
  };
  const headRequest = get('/').replace('GET', 'HEAD');
  const oldRequest = 'GET / HTTP/1.0\r\n\r\n';
  const oldKept = 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n';

  test.each<[string, (response: ServerResponse) => void, string, string]>([
    [
      'text',
      (r) => r.end('hé'),
      get('/'),
      'HTTP/1.1 200 OK|Date: Mon, 01 Jan 2024 00:00:00 GMT|Content-Type: text/plain; charset=utf-8|Content-Length: 3||h\xc3\xa9',
    ],
    [
      'bytes',
      (r) => r.header('X-A', 'b').end(Buffer.from('ab')),
      get('/'),
      'HTTP/1.1 200 OK|Date: …|X-A: b|Content-Length: 2||ab',
    ],
    [
      'nothing',
      (r) => r.status(201).end(),
      get('/'),
      'HTTP/1.1 201 Created|Date: …|Content-Length: 0||',
    ],
    [
      '204 drops a body',
      (r) => r.status(204).end('x'),
      get('/'),
      'HTTP/1.1 204 No Content|Date: …||',
    ],
    [
      '205 says zero',
      (r) => r.status(205).end('x'),
      get('/'),
      'HTTP/1.1 205 Reset Content|Date: …|Content-Length: 0||',
    ],
    [
      '304 drops a body',
      (r) => r.status(304).header('ETag', '"a"').end('x'),
      get('/'),
      'HTTP/1.1 304 Not Modified|Date: …|ETag: "a"||',
    ],
    [
      '304 keeps a declared length',
      (r) => r.status(304).header('Content-Length', '7').end(),
      get('/'),
      'HTTP/1.1 304 Not Modified|Date: …|Content-Length: 7||',
    ],
    [
      'HEAD has the length and no body',
      (r) => r.end('hello'),
      headRequest,
      'HTTP/1.1 200 OK|Date: …|Content-Type: text/plain; charset=utf-8|Content-Length: 5||',
    ],
    [
      'HEAD with a declared length',
      (r) => r.header('Content-Length', '9').end(),
      headRequest,
      'HTTP/1.1 200 OK|Date: …|Content-Length: 9||',
    ],
    [
      'HEAD of a stream',
      (r) => r.write('a').end('b'),
      headRequest,
      'HTTP/1.1 200 OK|Date: …|Transfer-Encoding: chunked||',
    ],
    [
      'a stream',
      (r) => r.write('a').write('').write('bé').write(Buffer.from('c')).end(),
      get('/'),
      'HTTP/1.1 200 OK|Date: …|Transfer-Encoding: chunked||1|a|3|b\xc3\xa9|1|c|0||',
    ],
    [
      'a stream of declared length',
      (r) => r.header('content-length', '3').write('a').end('bc'),
      get('/'),
      'HTTP/1.1 200 OK|Date: …|Content-Length: 3||abc',
    ],
    [
      'a stream to HTTP/1.0 ends with the connection',
      (r) => r.write('a').end('b'),
      oldKept,
      'HTTP/1.1 200 OK|Date: …|Connection: close||ab',
    ],
    [
      'HTTP/1.0 closes',
      (r) => r.end(),
      oldRequest,
      'HTTP/1.1 200 OK|Date: …|Content-Length: 0|Connection: close||',
    ],
    [
      'HTTP/1.0 keeps alive on request',
      (r) => r.end(),
      oldKept,
      'HTTP/1.1 200 OK|Date: …|Content-Length: 0|Connection: keep-alive||',
    ],
    [
      'the handler may close',
      (r) => r.header('Connection', 'close').end(),
      get('/'),
      'HTTP/1.1 200 OK|Date: …|Content-Length: 0|Connection: close||',
    ],
    [
      'a field is replaced, Set-Cookie is added',
      (r) =>
        r
          .header('A', '1')
          .header('a', '2')
          .header('Set-Cookie', 'x')
          .header('Set-Cookie', 'y')
          .end(),
      get('/'),
      'HTTP/1.1 200 OK|Date: …|A: 2|Set-Cookie: x|Set-Cookie: y|Content-Length: 0||',
    ],
    [
      'the handler may set the date and the type',
      (r) => r.header('Date', 'x').header('content-type', 'a/b').end('c'),
      get('/'),
      'HTTP/1.1 200 OK|Date: x|content-type: a/b|Content-Length: 1||c',
    ],
  ])('%s', (_name, answer, request, expected) => {
    const { connection, errors } = respond(answer, request);
    expect(errors).toEqual([]);
    const date = new Date(NOW).toUTCString();
    const wanted = expected.replaceAll('|', '\r\n').replace('Date: …', `Date: ${date}`);
    expect(connection.outputText).toBe(wanted);
    expect(connection.state).toBe(/Connection: close/.test(expected) ? 'closing' : 'open');
  });

  test.each<[string, (response: ServerResponse) => unknown, string]>([
    ['a line end in a value', (r) => r.header('X', 'a\r\nSet-Cookie: b'), 'ERR_ARG_RANGE'],
    ['a lone LF in a value', (r) => r.header('X', 'a\nb'), 'ERR_ARG_RANGE'],
    ['NUL in a value', (r) => r.header('X', 'a\0'), 'ERR_ARG_RANGE'],
    ['a character above U+00FF in a value', (r) => r.header('X', '€'), 'ERR_ARG_RANGE'],
    ['a name that is no token', (r) => r.header('X Y', 'a'), 'ERR_ARG_RANGE'],
    ['an empty name', (r) => r.header('', 'a'), 'ERR_ARG_RANGE'],
    ['a name with a line end', (r) => r.header('X\r\nY', 'a'), 'ERR_ARG_RANGE'],
    ['Transfer-Encoding', (r) => r.header('transfer-encoding', 'chunked'), 'ERR_ARG_RANGE'],
    [
      'a Content-Length that is no number',
      (r) => r.header('Content-Length', '1a'),
      'ERR_ARG_RANGE',
    ],
    ['another connection option', (r) => r.header('Connection', 'x'), 'ERR_ARG_RANGE'],
    ['a value that is no string', (r) => r.header('X', 1 as unknown as string), 'ERR_ARG_TYPE'],
    ['status 101', (r) => r.status(101), 'ERR_ARG_RANGE'],
    ['status 600', (r) => r.status(600), 'ERR_ARG_RANGE'],
    ['status NaN', (r) => r.status(Number.NaN), 'ERR_ARG_RANGE'],
    ['a body that is no text', (r) => r.end({} as unknown as string), 'ERR_ARG_TYPE'],
    [
      'a body of another length than declared',
      (r) => r.header('Content-Length', '3').end('a'),
      'ERR_STATE',
    ],
    ['a second end', (r) => r.end().end(), 'ERR_STATE'],
    ['a write after the end', (r) => r.end().write('a'), 'ERR_STATE'],
    ['a field after the head', (r) => r.write('a').header('X', 'y'), 'ERR_STATE'],
    ['a status after the head', (r) => r.write('a').status(200), 'ERR_STATE'],
    ['more than declared', (r) => r.header('Content-Length', '1').write('ab'), 'ERR_STATE'],
    ['less than declared', (r) => r.header('Content-Length', '3').write('ab').end(), 'ERR_STATE'],
  ])('refuses %s', (_name, misuse, code) => {
    const { connection, errors } = respond((response) => void misuse(response));
    expect(errors).toMatchObject([{ code }]);
    expect(connection.failures).toEqual([]);
    expect(connection.outputText).not.toMatch(/Set-Cookie/);
  });

  test('has the date of the second in which it is written', () => {
    let now = NOW;
    const { connection } = connectHttp(routes, { now: () => now });
    for (const later of [0, 999, 1000]) {
      now = NOW + later;
      connection.feed(get('/hello'));
    }
    const dates = readAnswers(connection.outputText).map(({ headers }) => headers['date']);
    expect(dates.map((date) => date?.slice(-6))).toEqual(['00 GMT', '00 GMT', '01 GMT']);
  });
});

describe('routes:', () => {
  test('OPTIONS is answered with the methods of the path', () => {
    const { connection } = connectHttp(routes);
    connection.feed(get('/echo').replace('GET', 'OPTIONS') + get('*').replace('GET', 'OPTIONS'));
    const [one, all] = readAnswers(connection.outputText);
    expect(one).toMatchObject({ status: 204, headers: { allow: 'OPTIONS, POST' } });
    expect(all).toMatchObject({ status: 204, headers: { allow: 'GET, HEAD, OPTIONS, POST' } });
  });

  test('405 names the methods that there are', () => {
    const { connection } = connectHttp(routes);
    connection.feed(get('/hello').replace('GET', 'BREW'));
    expect(readAnswers(connection.outputText)[0]).toMatchObject({
      status: 405,
      headers: { allow: 'GET, HEAD, OPTIONS' },
    });
  });

  test('a path whose percent-encoding is broken is refused, and the connection lives', () => {
    const { connection } = connectHttp((router) =>
      router.add('GET', '/user/:name', (request, response) =>
        response.end(request.params['name'] ?? ''),
      ),
    );
    connection.feed(get('/user/%zz') + get('/user/a%20b'));
    const answers = readAnswers(connection.outputText).map(({ status, body }) => [status, body]);
    expect(answers).toEqual([
      [400, 'The path is not valid.\n'],
      [200, 'a b'],
    ]);
  });
});

describe('a handler that fails:', () => {
  test.each(['/throw', '/reject'])('%s is answered with 500 and closes', async (path) => {
    const { connection, errors } = connectHttp(routes);
    connection.feed(get(path) + get('/hello'));
    await settle();
    expect(readAnswers(connection.outputText)).toMatchObject([
      { status: 500, headers: { connection: 'close' }, body: 'Internal Server Error\n' },
    ]);
    expect(connection.state).toBe('closing');
    expect(errors).toHaveLength(1);
  });

  test('resets the connection when its answer was begun', () => {
    const { connection, errors } = connectHttp(routes);
    connection.feed(get('/half'));
    expect(connection.state).toBe('reset');
    expect(errors).toHaveLength(1);
  });

  test('is told about, and nothing else, when it fails after its answer', async () => {
    const { connection, errors } = connectHttp((router) =>
      router.add('GET', '/', async (_request, response) => {
        response.end('fine');
        throw new Error('afterwards');
      }),
    );
    connection.feed(get('/'));
    await settle();
    connection.feed(get('/'));
    await settle();
    expect(readAnswers(connection.outputText).map(({ status }) => status)).toEqual([200, 200]);
    expect(connection.state).toBe('open');
    expect(errors).toHaveLength(2);
  });

  test('in the callback of a body is answered with 500', () => {
    const { connection, errors } = connectHttp((router) =>
      router.add('POST', '/', (request) =>
        request.onBody(
          () => {
            throw new Error('in the callback');
          },
          () => undefined,
        ),
      ),
    );
    connection.feed(post('/', 'abc'));
    expect(readAnswers(connection.outputText)[0]?.status).toBe(500);
    expect(errors).toHaveLength(1);
  });
});

describe('the end:', () => {
  test('a client that has sent FIN still gets its answer, then the close', async () => {
    const { connection } = connectHttp(routes);
    connection.feed(post('/later', 'x'));
    connection.feedEnd();
    await settle();
    expect(readAnswers(connection.outputText)).toMatchObject([
      { body: 'later x', headers: { connection: 'close' } },
    ]);
    expect(connection.state).toBe('closing');
  });

  test('a whole pipeline is answered after FIN', async () => {
    const { connection } = connectHttp(routes);
    connection.feed(post('/later', 'x') + post('/later', 'y') + get('/hello'));
    connection.feedEnd();
    await settle();
    const bodies = readAnswers(connection.outputText).map(({ body }) => body);
    expect(bodies).toEqual(['later x', 'later y', 'hello']);
    expect(connection.state).toBe('closing');
  });

  test('FIN on an idle connection, or within a head, closes without an answer', () => {
    for (const input of ['', get('/hello').slice(0, -2)]) {
      const { connection } = connectHttp(routes);
      if (input !== '') connection.feed(input);
      connection.feedEnd();
      expect(connection.outputText).toBe('');
      expect(connection.state).toBe('closing');
    }
  });

  test('FIN within a body is answered with 400', () => {
    const { connection, errors } = connectHttp(routes);
    connection.feed(post('/echo', 'abc').slice(0, -1));
    connection.feedEnd();
    expect(readAnswers(connection.outputText)[0]?.status).toBe(400);
    expect(errors).toEqual([]);
  });

  test('a client that goes away rejects the body, and its handler may answer into the void', async () => {
    const outcomes: unknown[] = [];
    const { connection, errors } = connectHttp((router) =>
      router.add('POST', '/', async (request, response) => {
        response.onFinish((sent) => outcomes.push(sent));
        await request.bytes().catch((error: unknown) => outcomes.push(error));
        response.header('X', 'y').status(200).write('a').end('b');
      }),
    );
    connection.feed(post('/', 'abc').slice(0, -1));
    connection.reap(-104);
    await settle();
    expect(outcomes).toMatchObject([false, { code: 'ERR_HTTP_BODY_CUT' }]);
    expect(connection.outputText).toBe('');
    expect(errors).toEqual([]);
  });

  test('onFinish says that the answer was handed over', () => {
    const outcomes: boolean[] = [];
    const { connection } = connectHttp((router) =>
      router.add('GET', '/', (_request, response) => {
        response.onFinish((sent) => outcomes.push(sent)).end();
        response.onFinish((sent) => outcomes.push(sent));
      }),
    );
    connection.feed(get('/'));
    expect(outcomes).toEqual([true, true]);
  });

  test('drainAndClose closes an idle connection at once', () => {
    const { connection, http } = connectHttp(routes);
    connection.feed(get('/hello'));
    http.drainAndClose();
    expect(connection.state).toBe('closing');
  });

  test('drainAndClose lets the request in progress end, also one of which a part is here', async () => {
    for (const cut of [post('/later', 'x').length, 20]) {
      const { connection, http } = connectHttp(routes);
      const input = post('/later', 'x');
      connection.feed(input.slice(0, cut));
      http.drainAndClose();
      expect(connection.state).toBe('open');
      if (cut < input.length) connection.feed(input.slice(cut));
      connection.feed(get('/hello'));
      await settle();
      expect(readAnswers(connection.outputText)).toMatchObject([
        { body: 'later x', headers: { connection: 'close' } },
      ]);
      expect(connection.state).toBe('closing');
    }
  });
});

describe('holding:', () => {
  test('pauses while later requests wait for an answer, and goes on afterwards', async () => {
    const waiting: ServerResponse[] = [];
    const { connection } = connectHttp((router) =>
      router.add('GET', '/', (_request, response) => void waiting.push(response)),
    );
    connection.feed(get('/'));
    expect(connection.isPaused).toBe(false);
    const next = get('/');
    const pad = `X-Pad: ${'x'.repeat(HELD_BYTES_READ - next.length - 'X-Pad: \r\n'.length - 1)}`;
    connection.feed(get('/', pad));
    expect(connection.isPaused).toBe(false);
    connection.feed(next.slice(0, 1));
    expect(connection.isPaused).toBe(true);
    connection.feed(next.slice(1));
    expect(waiting).toHaveLength(1);
    for (let i = 0; i < 3; i++) {
      waiting[i]?.end(String(i));
      await settle();
    }
    expect(readAnswers(connection.outputText).map(({ body }) => body)).toEqual(['0', '1', '2']);
    expect(connection.isPaused).toBe(false);
  });

  test('a client that sends on although reading is paused is reset at the bound', () => {
    const { connection, http } = connectHttp((router) => router.add('GET', '/', () => undefined));
    connection.feed(get('/'));
    const slab = Buffer.alloc(HELD_BYTES_MAX, 'x');
    http.onData(connection, slab, 0, HELD_BYTES_MAX - 1);
    http.onData(connection, slab, 0, 1);
    expect(connection.state).toBe('open');
    http.onData(connection, slab, 0, 1);
    expect(connection.state).toBe('reset');
  });

  test('a thousand pipelined requests do not deepen the stack', async () => {
    const { connection } = connectHttp(routes);
    connection.feed(post('/later', 'x').repeat(1000));
    while (connection.state === 'open' && connection.inboxBytes > 0) await settle();
    for (let i = 0; i < 1000 && readAnswers(connection.outputText).length < 1000; i++)
      await settle();
    expect(readAnswers(connection.outputText)).toHaveLength(1000);
    expect(connection.failures).toEqual([]);
  });
});
