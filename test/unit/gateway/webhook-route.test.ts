import { describe, expect, test } from 'vitest';
import { SluiceError } from '../../../lib/base/errors.ts';
import { silentLog } from '../../../lib/base/log.ts';
import { WEBHOOK_ANSWER_MAX_MS, WEBHOOK_SWEEP_MS } from '../../../lib/gateway/limits.ts';
import { createCounters } from '../../../lib/gateway/stats.ts';
import { WebhookRoute } from '../../../lib/gateway/webhook-route.ts';
import type { Appended, NewRecord } from '../../../lib/journal/types.ts';
import type { MessengerEvent } from '../../../lib/messenger/types.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { FakeRequest, type FakeRequestOptions, FakeResponse } from './fakes.ts';

interface Append {
  readonly records: readonly NewRecord[];
  resolve(results?: Appended[]): void;
  reject(error: Error): void;
}

/** The verifier of this test takes this digest for any body. */
const GOOD = 'a'.repeat(64);

function start(change: { bodyBytesMax?: number; bodyBytesTotalMax?: number } = {}) {
  const clock = new ManualClock();
  const counters = createCounters();
  const appends: Append[] = [];
  const verified: string[] = [];
  const route = new WebhookRoute({
    verifyToken: 'verify-me',
    bodyBytesMax: 100,
    bodyBytesTotalMax: 250,
    pageIds: ['100'],
    signature: {
      verify: () => false,
      verifyDigest: (body, digest) => {
        verified.push(Buffer.from(body).toString());
        return digest === GOOD;
      },
    },
    parse: (body) => {
      const text = body.toString();
      if (text === 'not json') return undefined;
      const assets = text === '' ? [] : text.split(',');
      return { object: 'page', events: assets.map(eventOf), damaged: 0 };
    },
    journal: {
      append: (records) =>
        new Promise((resolve, reject) => {
          const done = records.map(() => ({ status: 'appended', seq: 1, prev: 0 }) as const);
          appends.push({ records, resolve: (results = done) => resolve(results), reject });
        }),
    },
    clock,
    log: silentLog,
    counters,
    ...change,
  });
  return { route, clock, counters, appends, verified };
}

function eventOf(asset: string): MessengerEvent {
  const data = { mid: 'm' };
  const flags = { standby: false, opensWindow: false };
  return { asset, user: '7', kind: 'message.received', at: 5, dedupeKey: 'k', data, ...flags };
}

function post(
  route: WebhookRoute,
  body: string,
  options: FakeRequestOptions = {},
): { request: FakeRequest; response: FakeResponse } {
  const headers = {
    'x-hub-signature-256': `sha256=${GOOD}`,
    'content-length': String(body.length),
  };
  const request = new FakeRequest({ method: 'POST', body, headers, ...options });
  const response = new FakeResponse();
  route.handlePost(request, response);
  return { request, response };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('verification', () => {
  test.each([
    ['hub.mode=subscribe&hub.verify_token=verify-me&hub.challenge=c%22%3C1', 200, 'c"<1'],
    ['hub.mode=subscribe&hub.verify_token=wrong&hub.challenge=c', 403, undefined],
    ['hub.mode=unsubscribe&hub.verify_token=verify-me&hub.challenge=c', 403, undefined],
    ['hub.mode=subscribe&hub.challenge=c', 403, undefined],
    ['hub.mode=subscribe&hub.verify_token=verify-me&hub.challenge=a%0Ab', 400, undefined],
    [
      `hub.mode=subscribe&hub.verify_token=verify-me&hub.challenge=${'x'.repeat(257)}`,
      400,
      undefined,
    ],
  ])('answers %.60s with %i', (query, status, body) => {
    const response = new FakeResponse();
    start().route.handleVerification(new FakeRequest({ url: `/w?${query}` }), response);
    expect(response.code).toBe(status);
    if (body !== undefined) {
      expect(response.body).toBe(body);
      expect(response.headers['content-type']).toBe('text/plain');
    }
  });
});

describe('before the body', () => {
  test.each([{}, { 'x-hub-signature-256': 'sha1=abc' }])(
    'refuses %j with 401 and does not read it',
    (headers: Record<string, string>) => {
      const { request, response } = post(start().route, '100', { headers });
      expect(response.code).toBe(401);
      expect(request.bodyAsked).toBe(false);
      expect(response.problem['code']).toBe('unauthorized');
    },
  );

  test.each([
    [100, 200],
    [101, 413],
  ])('a body of %i bytes ends as %i', async (length, status) => {
    const { route, appends } = start();
    const { request, response } = post(route, '100'.padEnd(length));
    appends[0]?.resolve();
    await settle();
    expect(response.code).toBe(status);
    expect(request.bodyAsked).toBe(status === 200);
  });

  test('tells the server the limit, for bodies without a length', () => {
    expect(post(start().route, '100').request.bodyLimit).toBe(100);
  });

  test('keeps the bodies of all posts below a bound, and frees what ends', () => {
    const { route } = start();
    const chunked = { 'x-hub-signature-256': `sha256=${GOOD}`, 'transfer-encoding': 'chunked' };
    const slow = { headers: chunked, isSlow: true };
    const first = post(route, '', slow);
    const second = post(route, '', slow);
    expect(route.bodyBytes).toBe(200);
    const third = post(route, '', slow);
    expect(third.response.code).toBe(503);
    expect(third.response.headers['retry-after']).toBe('1');
    first.request.finishBody();
    second.request.failBody();
    expect(route.bodyBytes).toBe(0);
    expect(post(route, '', slow).response.code).toBe(0);
  });
});

describe('a body', () => {
  test('with a wrong signature is never parsed', () => {
    const { route, verified, counters } = start();
    const headers = { 'x-hub-signature-256': `sha256=${'b'.repeat(64)}`, 'content-length': '8' };
    const { response } = post(route, 'not json', { headers });
    expect(response.code).toBe(401);
    expect(verified).toEqual(['not json']);
    expect(counters).toMatchObject({ webhooks: 0, webhooksRefused: 1 });
  });

  test('that is not JSON is refused with 400', () => {
    expect(post(start().route, 'not json').response.code).toBe(400);
  });

  test('is answered only when its events are durable', async () => {
    const { route, appends, counters } = start();
    const { response } = post(route, '100,100');
    await settle();
    expect(response.finished).toBe(false);
    expect(route.waiting).toBe(1);
    expect(appends[0]?.records.map((record) => record.conversation)).toEqual([
      'messenger/100/7',
      'messenger/100/7',
    ]);
    appends[0]?.resolve([
      { status: 'appended', seq: 1, prev: 0 },
      { status: 'duplicate', seq: 1 },
    ]);
    await settle();
    expect(response).toMatchObject({ code: 200, body: 'EVENT_RECEIVED' });
    expect(counters).toMatchObject({ events: 1, duplicates: 1, webhooksAccepted: 1 });
    expect(route.waiting).toBe(0);
  });

  test('of a Page that is not configured is counted and answered 200', () => {
    const { route, appends, counters } = start();
    expect(post(route, '999').response.code).toBe(200);
    expect(appends).toEqual([]);
    expect(counters.unconfiguredEvents).toBe(1);
  });

  test('without events is answered 200', () => {
    expect(post(start().route, '').response.code).toBe(200);
  });

  test.each([
    new SluiceError('ERR_JOURNAL_UNAVAILABLE'),
    new SluiceError('ERR_ARG_RANGE'),
    new Error('boom'),
  ])('that the journal refuses with %s is answered 503', async (error) => {
    const { route, appends, counters } = start();
    const { response } = post(route, '100');
    appends[0]?.reject(error);
    await settle();
    expect(response.code).toBe(503);
    expect(response.headers['retry-after']).toBe('1');
    expect(counters.webhooksUnavailable).toBe(1);
  });

  test('that is not durable in time is answered 503, once', async () => {
    const { route, clock, appends } = start();
    const early = post(route, '100');
    await clock.advance(WEBHOOK_ANSWER_MAX_MS - 1);
    const late = post(route, '100');
    expect(early.response.finished).toBe(false);
    await clock.advance(WEBHOOK_SWEEP_MS + 1);
    expect(early.response.code).toBe(503);
    expect(late.response.finished).toBe(false);
    appends[0]?.resolve();
    appends[1]?.resolve();
    await settle();
    expect(early.response.code).toBe(503);
    expect(late.response.code).toBe(200);
    await clock.advance(WEBHOOK_ANSWER_MAX_MS);
    expect(clock.timerCount).toBe(0);
  });
});
