// Time on an HTTP connection: the test fires the deadlines by hand.

import { expect, test } from 'vitest';
import { BODY_PROGRESS_BYTES } from '../../../../lib/server/http/http-deadline.ts';
import type { ServerResponse } from '../../../../lib/server/types.ts';
import { settle } from '../../../support/memory-transport.ts';
import { connectHttp, get, post, readAnswers } from './http-fixture.ts';

const LIMITS = {
  headTimeoutMs: 1,
  bodyTimeoutMs: 2,
  keepAliveTimeoutMs: 3,
  handshakeTimeoutMs: 4,
  bodyBytesMax: 1 << 20,
};

function connect() {
  const held: ServerResponse[] = [];
  const fixture = connectHttp(
    (router) => {
      router.add('GET', '/', (_request, response) => response.end('ok'));
      router.add('GET', '/hold', (_request, response) => void held.push(response));
      router.add('POST', '/', (request, response) =>
        request.onBody(
          () => response.end('ok'),
          () => undefined,
        ),
      );
    },
    { limits: LIMITS },
  );
  return { ...fixture, held };
}

test('a connection that sends nothing is closed without an answer', () => {
  const { connection } = connect();
  expect(connection.deadlineMs).toBe(LIMITS.headTimeoutMs);
  connection.fireDeadline();
  expect(connection.outputText).toBe('');
  expect(connection.state).toBe('closing');
});

test('a head that is not completed gets 408; bytes do not move the deadline', () => {
  const { connection } = connect();
  connection.feed('GET / HT');
  connection.deadlineMs = 77;
  connection.feed('TP/1.1\r\n');
  expect(connection.deadlineMs).toBe(77);
  connection.fireDeadline();
  expect(readAnswers(connection.outputText)).toMatchObject([
    { status: 408, headers: { connection: 'close' } },
  ]);
  expect(connection.state).toBe('closing');
});

test('silence between requests closes; a second head has the time of a head', () => {
  const { connection } = connect();
  connection.feed(get('/'));
  expect(connection.deadlineMs).toBe(LIMITS.keepAliveTimeoutMs);
  connection.deadlineMs = 77;
  connection.feed(get('/'));
  expect(connection.deadlineMs).toBe(LIMITS.keepAliveTimeoutMs);
  connection.feed('G');
  expect(connection.deadlineMs).toBe(LIMITS.headTimeoutMs);
  connection.feed(get('/').slice(1));
  expect(connection.deadlineMs).toBe(LIMITS.keepAliveTimeoutMs);
  connection.fireDeadline();
  expect(readAnswers(connection.outputText)).toHaveLength(3);
  expect(connection.state).toBe('closing');
});

test('a body that stands still gets 408; one that moves enough gets more time', () => {
  const { connection } = connect();
  const input = post('/', 'x'.repeat(2 * BODY_PROGRESS_BYTES + 1));
  const headLength = input.indexOf('x');
  connection.feed(input.slice(0, headLength));
  expect(connection.deadlineMs).toBe(LIMITS.bodyTimeoutMs);
  connection.deadlineMs = 77;
  connection.feed('x'.repeat(BODY_PROGRESS_BYTES - 1));
  expect(connection.deadlineMs).toBe(77);
  connection.feed('x');
  expect(connection.deadlineMs).toBe(LIMITS.bodyTimeoutMs);
  connection.fireDeadline();
  expect(readAnswers(connection.outputText).map(({ status }) => status)).toEqual([408]);
  expect(connection.state).toBe('closing');
});

test('a handler may take its time', async () => {
  const { connection, held } = connect();
  connection.feed(get('/hold'));
  expect(connection.deadlineMs).toBe(0);
  held[0]?.end('late');
  await settle();
  expect(connection.deadlineMs).toBe(LIMITS.keepAliveTimeoutMs);
});

test('an answer that the client does not take is given up', () => {
  const { connection, held } = connect();
  connection.feed(get('/hold'));
  connection.stalled = true;
  held[0]?.write('x'.repeat(1000));
  expect(connection.deadlineMs).toBe(LIMITS.bodyTimeoutMs);
  connection.fireDeadline();
  expect(connection.state).toBe('reset');
});

// Bug: as long as its source filled the queue again, an answer counted as standing still.
test('an answer that the client takes goes on, however much waits; one byte too few ends it', () => {
  const { connection, held } = connect();
  connection.feed(get('/hold'));
  connection.stalled = true;
  held[0]?.write('x'.repeat(1000));
  for (let i = 0; i < 5; i++) {
    held[0]?.write('x'.repeat(BODY_PROGRESS_BYTES + 100));
    connection.pendingBytes -= BODY_PROGRESS_BYTES;
    connection.fireDeadline();
    expect(connection.state).toBe('open');
    expect(connection.deadlineMs).toBe(LIMITS.bodyTimeoutMs);
  }
  held[0]?.write('x'.repeat(BODY_PROGRESS_BYTES));
  connection.pendingBytes -= BODY_PROGRESS_BYTES - 1;
  connection.fireDeadline();
  expect(connection.state).toBe('reset');
});

test('a finished answer that is still on its way outlives the idle time while it moves', () => {
  const { connection, held } = connect();
  connection.stalled = true;
  connection.feed(get('/hold'));
  held[0]?.end('x'.repeat(3 * BODY_PROGRESS_BYTES));
  expect(connection.deadlineMs).toBe(LIMITS.keepAliveTimeoutMs);
  for (let i = 0; i < 2; i++) {
    connection.pendingBytes -= BODY_PROGRESS_BYTES;
    connection.fireDeadline();
    expect(connection.state).toBe('open');
  }
  connection.fireDeadline();
  expect(connection.state).toBe('reset');
});
