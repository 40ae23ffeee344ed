// The hand-over of a connection to another protocol: at once, later, refused, too late.

import { expect, test } from 'vitest';
import type { Connection, ConnectionOwner } from '../../../../lib/net/types.ts';
import type { UpgradeExchange } from '../../../../lib/server/http/http-upgrade.ts';
import { forEveryCut } from '../../../support/chunkings.ts';
import { settle } from '../../../support/memory-transport.ts';
import { connectHttp, get, readAnswers } from './http-fixture.ts';

const HEAD = 'HTTP/1.1 101 Switching Protocols\r\n\r\n';
const REQUEST = get('/chat', 'Connection: Upgrade', 'Upgrade: WebSocket', 'X: 1', 'X: 2');

class Collector implements ConnectionOwner {
  received = '';
  readonly events: string[] = [];

  onData(_connection: Connection, slab: Buffer, start: number, end: number): void {
    this.received += slab.toString('latin1', start, end);
  }
  onEnd(): void {
    this.events.push('end');
  }
  onDrain(): void {
    this.events.push('drain');
  }
  onDeadline(): void {
    this.events.push('deadline');
  }
  onClose(): void {
    this.events.push('close');
  }
  onFailure(): void {
    this.events.push('failure');
  }
}

function connect(decide: (exchange: UpgradeExchange) => boolean) {
  return connectHttp(
    (router) => router.add('GET', '/chat', (_q, response) => response.end('http')),
    {
      upgrade: decide,
    },
  );
}

test('accepted at once: the new owner gets what is behind the head, for every cut', async () => {
  await forEveryCut(`${get('/none')}${REQUEST}frames`, (pieces) => {
    const owner = new Collector();
    const { connection } = connect((exchange) => exchange.accept(HEAD, owner));
    for (const piece of pieces) connection.feed(piece);
    expect(connection.outputText).toMatch(/^HTTP\/1\.1 404.*Not Found\nHTTP\/1\.1 101.*\r\n\r\n$/s);
    expect(owner.received).toBe('frames');
    expect(connection.owner).toBe(owner);
    expect(connection.deadlineMs).toBe(0);
    expect(connection.isPaused).toBe(false);
  });
});

test('accepted later: paused meanwhile, then the kept bytes and what comes, for every cut', async () => {
  await forEveryCut(`${REQUEST}frames`, async (pieces) => {
    const owner = new Collector();
    const exchanges: UpgradeExchange[] = [];
    const { connection } = connect((one) => exchanges.push(one) > 0);
    for (const piece of pieces) connection.feed(piece);
    expect(connection.isPaused).toBe(true);
    expect(connection.deadlineMs).toBe(10_000);
    const [exchange] = exchanges;
    expect(exchange?.accept(HEAD, owner)).toBe(true);
    // The caller sets itself up before data arrives.
    expect(owner.received).toBe('');
    await settle();
    connection.feed(' more');
    expect(owner.received).toBe('frames more');
    expect(connection.isPaused).toBe(false);
    expect(connection.outputText).toBe(HEAD);
  });
});

test('offers the request with its raw fields', () => {
  const seen: UpgradeExchange[] = [];
  const { connection } = connect((exchange) => seen.push(exchange) > 0);
  connection.feed(REQUEST);
  const [exchange] = seen;
  expect(exchange).toMatchObject({ isPending: true, hasBody: false, minorVersion: 1 });
  expect(exchange?.request.path).toBe('/chat');
  expect(exchange?.fields.slice(-4)).toEqual(['x', '1', 'x', '2']);
});

test('the request tells the same after it was accepted as before', () => {
  const told: unknown[] = [];
  const { connection } = connect((exchange) => {
    const { request } = exchange;
    const tell = (): void => {
      const { method, url, path, ip, headers, query } = request;
      const fields = [request.header('x'), request.header('cookie'), request.header('none')];
      told.push({ method, url, path, ip, headers, query: [...query], fields });
    };
    tell();
    exchange.accept(HEAD, new Collector());
    tell();
    tell();
    expect(() => request.signal).toThrow(expect.objectContaining({ code: 'ERR_STATE' }));
    return true;
  });
  const target = '/chat?room=%C3%A9&long=0123456789012345678901234567890';
  const fields = ['Connection: Upgrade', 'Upgrade: WebSocket', 'Cookie: a=1', 'Cookie: b=2'];
  connection.feed(get(target, ...fields, 'X: 1', 'X: \xe9 and more than a few', 'Empty:'));
  expect(told.length).toBe(3);
  expect(told[0]).toMatchObject({
    path: '/chat',
    url: target,
    fields: ['1, \xe9 and more than a few', 'a=1; b=2', undefined],
    headers: { empty: '' },
  });
  expect(told[1]).toEqual(told[0]);
  expect(told[2]).toEqual(told[0]);
});

test('not taken: it is a plain request, and so is every other upgrade', () => {
  const { connection } = connect(() => false);
  connection.feed(REQUEST + REQUEST.replace('WebSocket', 'h2c') + REQUEST.replace('/1.1', '/1.0'));
  expect(readAnswers(connection.outputText).map(({ body }) => body)).toEqual([
    'http',
    'http',
    'http',
  ]);
});

test.each([true, false])('refused (at once: %s): an answer and the close', async (isAtOnce) => {
  const exchanges: UpgradeExchange[] = [];
  const refuse = (exchange: UpgradeExchange | undefined): void =>
    exchange?.refuse(426, { Upgrade: 'websocket', Connection: 'Upgrade' }, 'wrong version');
  const { connection } = connect((exchange) => {
    if (isAtOnce) refuse(exchange);
    return exchanges.push(exchange) > 0;
  });
  connection.feed(`${REQUEST}frames`);
  if (!isAtOnce) refuse(exchanges[0]);
  await settle();
  const text = connection.outputText;
  expect(text).toMatch(/^HTTP\/1\.1 426 Upgrade Required\r\n/);
  expect(text).toMatch(/Connection: Upgrade\r\nConnection: close\r\n\r\nwrong version$/);
  expect(connection.state).toBe('closing');
  expect(exchanges[0]?.isPending).toBe(false);
});

test('decided twice: only the first counts', () => {
  const owner = new Collector();
  const { connection } = connect((exchange) => {
    exchange.accept(HEAD, owner);
    exchange.refuse(400);
    expect(exchange.accept(HEAD, owner)).toBe(false);
    return true;
  });
  connection.feed(REQUEST);
  expect(connection.outputText).toBe(HEAD);
});

test('too late: 503 and the close, and an acceptance afterwards changes nothing', () => {
  const owner = new Collector();
  const exchanges: UpgradeExchange[] = [];
  let gone = 0;
  const { connection } = connect((exchange) => {
    exchange.onGone(() => gone++);
    return exchanges.push(exchange) > 0;
  });
  connection.feed(REQUEST);
  connection.fireDeadline();
  expect(readAnswers(connection.outputText)[0]?.status).toBe(503);
  expect(connection.state).toBe('closing');
  expect(gone).toBe(1);
  expect(exchanges[0]?.accept(HEAD, owner)).toBe(false);
  expect(connection.owner).not.toBe(owner);
});

test('the client is gone before the decision', () => {
  const exchanges: UpgradeExchange[] = [];
  let gone = 0;
  const { connection } = connect((exchange) => {
    exchange.onGone(() => gone++);
    return exchanges.push(exchange) > 0;
  });
  connection.feed(REQUEST);
  connection.reap(-104);
  expect(gone).toBe(1);
  expect(exchanges[0]?.isPending).toBe(false);
  exchanges[0]?.refuse(400);
  expect(connection.outputText).toBe('');
});

test('a drain refuses what is not decided', () => {
  const { connection, http } = connect(() => true);
  connection.feed(REQUEST);
  http.drainAndClose();
  expect(readAnswers(connection.outputText)[0]?.status).toBe(503);
  expect(connection.state).toBe('closing');
});

test('a decision that throws is a 500', () => {
  const { connection, errors } = connect(() => {
    throw new Error('in the hook');
  });
  connection.feed(`${REQUEST}frames`);
  expect(readAnswers(connection.outputText)[0]?.status).toBe(500);
  expect(connection.state).toBe('closing');
  expect(errors).toHaveLength(1);
});

test('a new owner that throws costs its own connection only', async () => {
  for (const isAtOnce of [true, false]) {
    const owner = new Collector();
    owner.onData = () => {
      throw new Error('in the new owner');
    };
    const exchanges: UpgradeExchange[] = [];
    const { connection } = connect((exchange) => {
      if (isAtOnce) exchange.accept(HEAD, owner);
      return exchanges.push(exchange) > 0;
    });
    connection.feed(`${REQUEST}frames`);
    if (!isAtOnce) exchanges[0]?.accept(HEAD, owner);
    await settle();
    expect(owner.events).toEqual(['failure']);
  }
});

test('FIN while it is undecided reaches the new owner', async () => {
  const owner = new Collector();
  const exchanges: UpgradeExchange[] = [];
  const { connection } = connect((exchange) => exchanges.push(exchange) > 0);
  connection.feed(REQUEST);
  connection.feedEnd();
  exchanges[0]?.accept(HEAD, owner);
  await settle();
  expect(owner.events).toEqual(['end']);
});
