// The send client against real sockets: what it sends, and which of three outcomes it reports.

import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LogFields } from '../../../lib/base/log.ts';
import { createGraphClient, type GraphClientOptions } from '../../../lib/messenger/graph-client.ts';
import type { GraphClient, SendRequest } from '../../../lib/messenger/types.ts';
import { answer, FakeGraph, graphError } from '../../support/fake-graph.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const SECRET = 'test_app_secret_0123456789abcdef';
const TOKEN = 'EAAtestpagetoken';
const PROOF = '17321985b53dcec2fb783bfbed3410664802d54e288611a48d0c81b8ff305698';

const REQUEST: SendRequest = {
  page: '100',
  user: '200',
  message: { text: 'hello' },
  metadata: 'gw:01J:0',
};

let graph: FakeGraph;
let url: string;
let client: GraphClient;
const logged: string[] = [];

const log = (fields: LogFields, message: string): void => {
  logged.push(JSON.stringify({ ...fields, message }));
};

function connect(more: Partial<GraphClientOptions> = {}): GraphClient {
  return createGraphClient({
    graphUrl: url,
    graphVersion: 'v25.0',
    tokenOf: (page) => (page === '100' ? TOKEN : undefined),
    appSecret: SECRET,
    log: { debug: log, info: log, warn: log, error: log },
    ...more,
  });
}

beforeEach(async () => {
  graph = new FakeGraph();
  url = await graph.start();
  client = connect();
  logged.length = 0;
});

afterEach(async () => {
  await graph.stop();
  await client.close();
});

describe('what is sent', () => {
  test('a text, with token, proof and our id', async () => {
    expect(await client.send(REQUEST)).toEqual({ outcome: 'sent', mid: 'm_1' });
    const [request] = graph.requests;
    expect(request).toMatchObject({ method: 'POST', path: '/v25.0/100/messages' });
    expect(request?.headers.authorization).toBe(`Bearer ${TOKEN}`);
    expect(request?.headers['content-type']).toBe('application/json');
    expect(request?.query.get('appsecret_proof')).toBe(PROOF);
    expect(request?.body).toEqual({
      recipient: { id: '200' },
      messaging_type: 'RESPONSE',
      message: { text: 'hello', metadata: 'gw:01J:0' },
    });
  });

  test('an attachment with quick replies, as an answer, under the tag for people', async () => {
    await client.send({
      ...REQUEST,
      tag: 'HUMAN_AGENT',
      message: {
        attachment: { type: 'image', url: 'https://a.b/c.png' },
        quickReplies: [{ title: 'Yes', payload: 'YES' }],
        replyTo: 'm_0',
      },
    });
    expect(graph.requests[0]?.body).toEqual({
      recipient: { id: '200' },
      messaging_type: 'MESSAGE_TAG',
      tag: 'HUMAN_AGENT',
      message: {
        attachment: { type: 'image', payload: { url: 'https://a.b/c.png' } },
        quick_replies: [{ content_type: 'text', title: 'Yes', payload: 'YES' }],
        metadata: 'gw:01J:0',
      },
      reply_to: { mid: 'm_0' },
    });
  });

  test('sender actions stand alone and report success only', async () => {
    expect(await client.action('100', '200', 'typing_on')).toBe(true);
    expect(graph.requests[0]?.body).toEqual({
      recipient: { id: '200' },
      sender_action: 'typing_on',
    });
    graph.behave = (_request, response) => answer(response, 400, graphError(100));
    expect(await client.action('100', '200', 'mark_seen')).toBe(false);
    expect(await client.action('999', '200', 'mark_seen')).toBe(false);
  });

  test('no proof without a secret, and a prefix of the address is kept', async () => {
    const plain = connect({ appSecret: undefined, graphUrl: `${url}/meta/` });
    await plain.send(REQUEST);
    expect(graph.requests[0]?.path).toBe('/meta/v25.0/100/messages');
    expect(graph.requests[0]?.query.size).toBe(0);
    await plain.close();
  });

  test('calls of one client share connections up to the bound', async () => {
    const narrow = connect({ limits: { connectionsMax: 2 } });
    const sockets = new Set<number | undefined>();
    graph.behave = (request, response) => {
      sockets.add(response.socket?.remotePort);
      answer(response, 200, { message_id: `m_${String(request.path)}` });
    };
    await Promise.all(Array.from({ length: 12 }, () => narrow.send(REQUEST)));
    expect(graph.requests).toHaveLength(12);
    expect(sockets.size).toBe(2);
    await narrow.close();
  });
});

describe('profiles', () => {
  test.each<[string, unknown, object | undefined]>([
    [
      'everything',
      { first_name: 'Ann', last_name: 'Lee', name: 'Ann Lee', profile_pic: 'https://cdn/p.jpg' },
      { firstName: 'Ann', lastName: 'Lee', name: 'Ann Lee', picture: 'https://cdn/p.jpg' },
    ],
    ['no name', { first_name: 'Ann', last_name: 'Lee' }, { name: 'Ann Lee' }],
    ['a picture that is no link', { name: 'A', profile_pic: 'javascript:1' }, { name: 'A' }],
    ['nothing', {}, undefined],
    ['no JSON', 'oops', undefined],
  ])('with %s', async (_name, body, expected) => {
    graph.behave = (_request, response) => answer(response, 200, body);
    const profile = await client.profile('100', '200');
    if (expected === undefined) expect(profile).toBeUndefined();
    else expect(profile).toMatchObject(expected);
    const [request] = graph.requests;
    expect(request).toMatchObject({ method: 'GET', path: '/v25.0/200' });
    expect(request?.query.get('fields')).toBe('first_name,last_name,name,profile_pic');
    expect(request?.query.get('appsecret_proof')).toBe(PROOF);
  });

  test('S15 a refusal is no profile, and no error', async () => {
    graph.behave = (_request, response) => answer(response, 403, graphError(230));
    expect(await client.profile('100', '200')).toBeUndefined();
    expect(await client.profile('999', '200')).toBeUndefined();
  });
});

describe('refused: nothing was sent', () => {
  test.each<[string, number, unknown, string, string]>([
    ['the window', 400, graphError(10, 2018278), 'W', 'window_closed'],
    ['the token', 401, graphError(190, 460), 'T', 'page_paused'],
    ['the person', 403, graphError(551), 'B', 'recipient_unavailable'],
    ['a limit', 400, graphError(613), 'L', 'rate_limited'],
    ['too many requests without an explanation', 429, 'slow down', 'L', 'rate_limited'],
    ['an unknown code', 400, graphError(4711), 'P', 'rejected'],
    ['a policy', 400, graphError(368), 'X', 'page_paused'],
  ])('%s', async (_name, status, body, kind, code) => {
    graph.behave = (_request, response) => answer(response, status, body);
    const outcome = await client.send(REQUEST);
    expect(outcome).toMatchObject({
      outcome: 'refused',
      error: { class: kind, code, meta: { status } },
    });
    expect(graph.requests).toHaveLength(1);
  });

  test('a limit says how long to wait', async () => {
    const usage = '{"100":[{"type":"messenger","estimated_time_to_regain_access":2}]}';
    graph.behave = (_request, response) =>
      answer(response, 400, graphError(80006), { 'X-Business-Use-Case-Usage': usage });
    expect(await client.send(REQUEST)).toMatchObject({
      error: { class: 'L', retryAfterMs: 120_000 },
    });
  });

  test('nobody listens', async () => {
    const port = await unusedPort();
    const lonely = connect({ graphUrl: `http://127.0.0.1:${port}` });
    expect(await lonely.send(REQUEST)).toMatchObject({ outcome: 'refused', error: { class: 'R' } });
    await lonely.close();
  });

  test('the name does not exist', async () => {
    const lost = connect({ graphUrl: 'http://graph.invalid' });
    expect(await lost.send(REQUEST)).toMatchObject({ outcome: 'refused', error: { class: 'R' } });
    await lost.close();
  });

  test('TLS fails before a byte of the request', async () => {
    const broken = connect({ graphUrl: url.replace('http:', 'https:') });
    expect(await broken.send(REQUEST)).toMatchObject({ outcome: 'refused', error: { class: 'R' } });
    expect(graph.requests).toHaveLength(0);
    await broken.close();
  });

  test.each(['999', '100'])('a Page without a usable token: %s', async (page) => {
    const broken = connect({ tokenOf: (id) => (id === '100' ? 'two\r\nlines' : undefined) });
    expect(await broken.send({ ...REQUEST, page })).toMatchObject({ error: { class: 'T' } });
    expect(graph.requests).toHaveLength(0);
    await broken.close();
  });

  test('an abort before anything left', async () => {
    const outcome = await client.send(REQUEST, AbortSignal.abort());
    expect(outcome).toMatchObject({ outcome: 'refused', error: { class: 'R' } });
    expect(graph.requests).toHaveLength(0);
  });

  test('an abort while the call waits for a connection, which then never makes it', async () => {
    const narrow = connect({ limits: { connectionsMax: 1 } });
    const finish: (() => void)[] = [];
    graph.behave = (_request, response) =>
      void finish.push(() => answer(response, 200, { message_id: 'm_1' }));
    const first = narrow.send(REQUEST);
    const abort = new AbortController();
    const second = narrow.send(REQUEST, abort.signal);
    await graph.received(1);
    abort.abort();
    expect(await second).toMatchObject({ outcome: 'refused', error: { class: 'R' } });
    finish[0]?.();
    expect(await first).toMatchObject({ outcome: 'sent' });
    graph.behave = (_request, response) => answer(response, 200, { message_id: 'm_2' });
    expect(await narrow.send(REQUEST)).toEqual({ outcome: 'sent', mid: 'm_2' });
    expect(graph.requests).toHaveLength(2);
    await narrow.close();
  });

  test('more calls than the bound', async () => {
    const narrow = connect({ limits: { callsMax: 2 } });
    const finish: (() => void)[] = [];
    graph.behave = (_request, response) =>
      void finish.push(() => answer(response, 200, { message_id: 'm_1' }));
    const sends = [narrow.send(REQUEST), narrow.send(REQUEST)];
    expect(await narrow.send(REQUEST)).toMatchObject({ outcome: 'refused', error: { class: 'R' } });
    await graph.received(2);
    for (const end of finish) end();
    expect(await Promise.all(sends)).toMatchObject([{ outcome: 'sent' }, { outcome: 'sent' }]);
    await narrow.close();
  });

  test('the client is closed', async () => {
    await client.close();
    expect(await client.send(REQUEST)).toMatchObject({ outcome: 'refused', error: { class: 'R' } });
    await client.close();
  });
});

describe('S36 unknown: it may have been sent, and it is called once', () => {
  test.each<[string, FakeGraph['behave']]>([
    [
      'the connection is reset after the request',
      (_request, response) => response.socket?.resetAndDestroy(),
    ],
    ['the connection ends after the request', (_request, response) => response.socket?.end()],
    [
      'the answer breaks off',
      (_request, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('{"message_id":', () => response.socket?.destroy());
      },
    ],
    ['500 without a body', (_request, response) => answer(response, 500, '')],
    [
      '503 with an error that is known',
      (_request, response) => answer(response, 503, graphError(613)),
    ],
    ['502 of somebody in between', (_request, response) => answer(response, 502, '<html>')],
    ['200 without JSON', (_request, response) => answer(response, 200, 'ok')],
    ['200 without a message id', (_request, response) => answer(response, 200, { success: true })],
    ['400 without JSON', (_request, response) => answer(response, 400, '<html>')],
    ['400 without a code', (_request, response) => answer(response, 400, { error: {} })],
    ['code 1', (_request, response) => answer(response, 400, graphError(1))],
    ['code 2', (_request, response) => answer(response, 400, graphError(2))],
    ['S37 1/1357046', (_request, response) => answer(response, 400, graphError(1, 1357046))],
    [
      'an unknown code that is temporary',
      (_request, response) =>
        answer(response, 400, graphError(4711, undefined, { is_transient: true })),
    ],
    ['a redirect', (_request, response) => answer(response, 302, '', { location: `${url}/other` })],
  ])('%s', async (_name, behave) => {
    graph.behave = behave;
    const outcome = await client.send(REQUEST);
    expect(outcome).toMatchObject({ outcome: 'unknown', error: { class: 'U', retryable: false } });
    expect(graph.requests).toHaveLength(1);
  });

  test('an answer that is larger than the bound', async () => {
    const small = connect({ limits: { answerBytesMax: 100 } });
    graph.behave = (_request, response) => answer(response, 200, { message_id: 'm'.repeat(200) });
    expect(await small.send(REQUEST)).toMatchObject({ outcome: 'unknown' });
    await small.close();
  });

  test('no answer within the time for a call', async () => {
    const clock = new ManualClock();
    const patient = connect({ clock, callTimeoutMs: 5000 });
    graph.behave = () => undefined;
    const sending = patient.send(REQUEST);
    await graph.received(1);
    await clock.advance(4999);
    expect(clock.timerCount).toBe(1);
    await clock.advance(1);
    expect(await sending).toMatchObject({ outcome: 'unknown', error: { class: 'U' } });
    expect(clock.timerCount).toBe(0);
    await patient.close();
  });

  test('an abort after the request left', async () => {
    graph.behave = () => undefined;
    const abort = new AbortController();
    const sending = client.send(REQUEST, abort.signal);
    await graph.received(1);
    abort.abort();
    expect(await sending).toMatchObject({ outcome: 'unknown' });
  });

  test('a client that closes does not wait for ever', async () => {
    const clock = new ManualClock();
    const closing = connect({ clock });
    graph.behave = () => undefined;
    const sending = closing.send(REQUEST);
    await graph.received(1);
    const closed = closing.close();
    await clock.advance(10_000);
    expect(await sending).toMatchObject({ outcome: 'unknown' });
    await closed;
  });

  test('a client that closes lets a call end', async () => {
    let end: () => void = () => undefined;
    graph.behave = (_request, response) => {
      end = () => answer(response, 200, { message_id: 'm_9' });
    };
    const sending = client.send(REQUEST);
    await graph.received(1);
    const closed = client.close();
    end();
    expect(await sending).toEqual({ outcome: 'sent', mid: 'm_9' });
    await closed;
  });
});

describe('what is logged', () => {
  test('no secret, no text, no token, even when Meta repeats them', async () => {
    const reason = `Malformed access token ${TOKEN} with ${PROOF} and ${SECRET}`;
    graph.behave = (_request, response) =>
      answer(response, 400, graphError(100, 33, { message: reason }));
    const outcome = await client.send({ ...REQUEST, message: { text: 'private words' } });
    expect(outcome).toMatchObject({ outcome: 'refused', error: { class: 'P' } });
    const everything = JSON.stringify([outcome, logged]);
    for (const secret of [TOKEN, PROOF, SECRET, 'private words']) {
      expect(everything).not.toContain(secret);
    }
    expect(logged.join()).toContain('"subcode":33');
  });

  test('another version than the pinned one, once', async () => {
    graph.behave = (_request, response) =>
      answer(response, 200, { message_id: 'm' }, { 'facebook-api-version': 'v26.0' });
    await client.send(REQUEST);
    await client.send(REQUEST);
    expect(logged.filter((line) => line.includes('another version'))).toHaveLength(1);
  });
});

async function unusedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
