// The Graph API's answers: who may call, what is refused, what a fault makes of a send.

import { beforeEach, describe, expect, test } from 'vitest';
import { Faults } from '../../../lib/simulator/faults.ts';
import { GraphApi, type GraphReply } from '../../../lib/simulator/graph-api.ts';
import type { SentMessage } from '../../../lib/simulator/types.ts';
import { World } from '../../../lib/simulator/world.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const SECRET = 'test_app_secret_0123456789abcdef';
const PROOF = '17321985b53dcec2fb783bfbed3410664802d54e288611a48d0c81b8ff305698';
const TOKEN = 'EAAtestpagetoken';

let clock: ManualClock;
let world: World;
let faults: Faults;
let graph: GraphApi;
let published: SentMessage[];

beforeEach(() => {
  clock = new ManualClock();
  world = new World(
    clock,
    [
      { id: '100', name: 'Shop', accessToken: TOKEN },
      { id: '101', name: 'Other', accessToken: 'other-token' },
    ],
    [
      { id: '200', name: 'Ann Lee Miller' },
      { id: '201', name: 'Bo' },
    ],
  );
  faults = new Faults();
  published = [];
  graph = new GraphApi({
    world,
    clock,
    appId: '5',
    appSecret: SECRET,
    pictureUrl: (user) => `http://127.0.0.1/pictures/${user}.svg`,
    takeFault: () => faults.takeSend(),
    publish: async (sent) => void published.push(sent),
  });
});

interface CallOptions {
  readonly method?: string;
  readonly path?: string;
  readonly query?: Record<string, string>;
  readonly authorization?: string | undefined;
  readonly body?: unknown;
}

async function call(options: CallOptions): Promise<GraphReply> {
  const reply = await graph.handle({
    method: options.method ?? 'GET',
    path: options.path ?? '/v25.0/100/messages',
    query: new URLSearchParams(options.query ?? {}),
    authorization: 'authorization' in options ? options.authorization : `Bearer ${TOKEN}`,
    body: options.body,
  });
  return reply;
}

const text = (value: string, more: object = {}): object => ({
  recipient: { id: '200' },
  messaging_type: 'RESPONSE',
  message: { text: value },
  ...more,
});

async function send(body: object = text('hi'), more: CallOptions = {}): Promise<GraphReply> {
  const reply = await call({ method: 'POST', body, ...more });
  if (reply.fate !== 'hang') reply.afterwards?.();
  return reply;
}

const errorOf = (reply: GraphReply): unknown => {
  const { error } = JSON.parse(reply.body);
  return [reply.status, error?.code, error?.error_subcode];
};

describe('who may call', () => {
  test.each<[string, CallOptions]>([
    ['Bearer', {}],
    ['the query', { authorization: undefined, query: { access_token: TOKEN } }],
    ['the body', { authorization: undefined, body: text('hi', { access_token: TOKEN }) }],
    ['Bearer with a proof', { query: { appsecret_proof: PROOF } }],
    ['me', { path: '/v25.0/me/messages' }],
    ['no version', { path: '/100/messages' }],
  ])('with %s', async (_name, more) => {
    const reply = await send(text('hi'), more);
    expect(reply.status).toBe(200);
    expect(JSON.parse(reply.body)).toEqual({
      recipient_id: '200',
      message_id: graph.sentMessages[0]?.mid,
    });
  });

  test.each<[string, CallOptions, unknown[]]>([
    ['no token', { authorization: undefined }, [400, 190, 467]],
    ['another token', { authorization: 'Bearer wrong' }, [400, 190, 467]],
    ['another proof', { query: { appsecret_proof: 'ab' } }, [400, 104, undefined]],
    ['S45 another Page’s token', { authorization: 'Bearer other-token' }, [400, 100, 33]],
    ['an unknown edge', { path: '/v25.0/100/photos' }, [400, 100, 33]],
    ['a path that is too long', { path: '/v25.0/100/messages/5' }, [400, 100, 33]],
    ['a method that is not there', { method: 'DELETE' }, [400, 100, 33]],
  ])('not with %s', async (_name, more, expected) => {
    expect(errorOf(await send(text('hi'), more))).toEqual(expected);
    expect(graph.sentMessages).toHaveLength(0);
  });

  test('answers with the version that was asked for', async () => {
    const reply = await send(text('hi'), { path: '/v26.0/100/messages' });
    expect(reply.headers['facebook-api-version']).toBe('v26.0');
  });
});

describe('a send', () => {
  test('appears in the thread, in the record and in the echo', async () => {
    await send(text('hi', { message: { text: 'hi', metadata: 'gw:1:0' } }));
    const [message] = world.thread('100', '200').messages;
    expect(message).toMatchObject({ from: 'page', text: 'hi' });
    expect(message).not.toHaveProperty('metadata');
    expect(graph.sentMessages).toMatchObject([{ user: '200', text: 'hi', metadata: 'gw:1:0' }]);
    expect(published).toEqual(graph.sentMessages);
    expect(graph.calls).toMatchObject([
      { method: 'POST', page: '100', status: 200, mid: message?.mid },
    ]);
  });

  test('gives every message of a thread a time of its own', async () => {
    await send();
    await send();
    const [first, second] = graph.sentMessages;
    expect(second?.at).toBe((first?.at ?? 0) + 1);
  });

  test('is refused for a person who does not exist', async () => {
    expect(errorOf(await send(text('hi', { recipient: { id: '999' } })))).toEqual([
      400, 100, 2018001,
    ]);
  });

  test('S34 is refused outside the window, and taken with the tag for seven days', async () => {
    const tagged = text('hi', { messaging_type: 'MESSAGE_TAG', tag: 'HUMAN_AGENT' });
    world.act(world.thread('100', '200'));
    await clock.advance(DAY_MS);
    expect((await send()).status).toBe(200);
    await clock.advance(1);
    expect(errorOf(await send())).toEqual([400, 10, 2018278]);
    expect((await send(tagged)).status).toBe(200);
    await clock.advance(6 * DAY_MS);
    expect(errorOf(await send(tagged))).toEqual([400, 10, 2018278]);
  });

  test('answers only messages that exist', async () => {
    expect(errorOf(await send(text('x', { reply_to: { mid: 'm' } })))).toEqual([
      400,
      100,
      undefined,
    ]);
    world.add(world.thread('100', '200'), { mid: 'm', at: 1, from: 'customer', text: 'q' });
    expect((await send(text('x', { reply_to: { mid: 'm' } }))).status).toBe(200);
  });
});

describe('actions', () => {
  const act = (action: string, more: object = {}): Promise<GraphReply> =>
    send({ recipient: { id: '200' }, sender_action: action, ...more });

  test('typing is seen until a message comes, or until it is forgotten', async () => {
    const thread = world.thread('100', '200');
    await act('typing_on');
    expect(world.typingLeftMs(thread)).toBe(20_000);
    await clock.advance(20_000);
    expect(world.typingLeftMs(thread)).toBe(0);
    await act('typing_on');
    await send();
    expect(world.typingLeftMs(thread)).toBe(0);
    await act('typing_on');
    await act('typing_off');
    expect(world.typingLeftMs(thread)).toBe(0);
  });

  test('seen is remembered, and no action has a message id', async () => {
    const reply = await act('mark_seen');
    expect(JSON.parse(reply.body)).toEqual({ recipient_id: '200' });
    expect(world.thread('100', '200').pageSeenAt).toBe(clock.now());
  });

  test('reactions come and go', async () => {
    const thread = world.thread('100', '200');
    world.add(thread, { mid: 'm', at: 1, from: 'customer', reactions: { customer: '👍' } });
    await act('react', { payload: { message_id: 'm', reaction: '❤️' } });
    expect(thread.messages[0]?.reactions).toEqual({ customer: '👍', page: '❤️' });
    await act('unreact', { payload: { message_id: 'm' } });
    expect(thread.messages[0]?.reactions).toEqual({ customer: '👍' });
    const reply = await act('unreact', { payload: { message_id: 'other' } });
    expect(errorOf(reply)).toEqual([400, 100, undefined]);
  });
});

describe('reading', () => {
  test.each<[string | undefined, unknown]>([
    [
      'first_name,last_name,name,profile_pic',
      {
        first_name: 'Ann',
        last_name: 'Lee Miller',
        name: 'Ann Lee Miller',
        profile_pic: 'http://127.0.0.1/pictures/200.svg',
        id: '200',
      },
    ],
    ['name', { name: 'Ann Lee Miller', id: '200' }],
    [undefined, { first_name: 'Ann', last_name: 'Lee Miller', id: '200' }],
  ])('a profile with %s', async (fields, expected) => {
    const query = fields === undefined ? {} : { fields };
    expect(JSON.parse((await call({ path: '/v25.0/200', query })).body)).toEqual(expected);
  });

  test('a profile of nobody', async () => {
    expect(errorOf(await call({ path: '/v25.0/999' }))).toEqual([400, 100, 33]);
  });

  test('the Page itself', async () => {
    for (const path of ['/v25.0/me', '/v25.0/100']) {
      expect(JSON.parse((await call({ path })).body)).toEqual({ id: '100', name: 'Shop' });
    }
  });

  test('conversations, newest first, with their newest twenty messages', async () => {
    for (let n = 0; n < 25; n++) await send(text(`n${n}`));
    await clock.advance(1000);
    await send(text('later', { recipient: { id: '201' } }));
    const { data } = JSON.parse((await call({ path: '/v25.0/100/conversations' })).body);
    expect(data.map((thread: { id: string }) => thread.id)).toEqual(['t_201', 't_200']);
    expect(data[1].messages.data).toHaveLength(20);
    expect(data[1].messages.data[0]).toMatchObject({ message: 'n24', from: { id: '100' } });
    expect(data[0].updated_time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000$/);
    const one = await call({
      path: '/v25.0/100/conversations',
      query: { user_id: '201', limit: '1' },
    });
    expect(JSON.parse(one.body).data).toHaveLength(1);
  });
});

describe('subscriptions', () => {
  const path = '/v25.0/100/subscribed_apps';
  const fields = async (): Promise<unknown> =>
    JSON.parse((await call({ path })).body).data[0]?.subscribed_fields;

  test('begin with everything and are replaced as a whole', async () => {
    expect(await fields()).toContain('message_echoes');
    const query = { subscribed_fields: 'messages,messaging_handovers' };
    expect(JSON.parse((await call({ method: 'POST', path, query })).body)).toEqual({
      success: true,
    });
    expect(await fields()).toEqual(['messages', 'messaging_handovers']);
    expect(graph.subscriptions.has('100', 'message_echoes')).toBe(false);
    expect(graph.subscriptions.has('101', 'message_echoes')).toBe(true);
    await call({ method: 'DELETE', path });
    expect(await fields()).toBeUndefined();
  });

  test('name known fields only', async () => {
    for (const body of [{ subscribed_fields: ['messages', 'nonsense'] }, {}]) {
      expect(errorOf(await call({ method: 'POST', path, body }))).toEqual([400, 100, undefined]);
    }
    await call({ method: 'POST', path, body: { subscribed_fields: ['messages'] } });
    expect(await fields()).toEqual(['messages']);
  });
});

describe('faults', () => {
  /** fault, fate, status, sent, echoed */
  test.each<[string, Parameters<Faults['nextSend']>[0], string, number, number, number]>([
    ['an error', { kind: 'error', code: 613 }, 'answer', 400, 0, 0],
    [
      'S37 an error after the message',
      { kind: 'error', code: 1, subcode: 1357046, sent: true },
      'answer',
      400,
      1,
      1,
    ],
    ['a status', { kind: 'status', status: 503 }, 'answer', 503, 0, 0],
    [
      'a status after the message',
      { kind: 'status', status: 500, sent: true },
      'answer',
      500,
      1,
      1,
    ],
    ['a reset', { kind: 'reset' }, 'reset', 200, 1, 1],
    ['a reset before the message', { kind: 'reset', sent: false }, 'reset', 200, 0, 0],
    ['no echo', { kind: 'drop_echo' }, 'answer', 200, 1, 0],
    ['S12 an echo first', { kind: 'echo_first' }, 'answer', 200, 1, 1],
  ])('%s', async (_name, fault, fate, status, sent, echoed) => {
    faults.nextSend(fault);
    const reply = await send();
    expect([reply.fate, reply.status]).toEqual([fate, status]);
    expect([graph.sentMessages.length, published.length]).toEqual([sent, echoed]);
    expect(graph.calls).toMatchObject([
      { fault: fault.kind, status: fate === 'answer' ? status : 0 },
    ]);
    expect((await send()).status).toBe(200);
  });

  test('S36 a lost answer: the message is out, the call hangs', async () => {
    faults.nextSend({ kind: 'lost_answer' });
    const reply = await send();
    expect(reply.fate).toBe('hang');
    expect(graph.sentMessages).toHaveLength(1);
    reply.afterwards?.();
    expect(published).toHaveLength(1);
  });

  test('an echo that comes late', async () => {
    faults.nextSend({ kind: 'delay_echo', ms: 5000 });
    await send();
    await clock.advance(4999);
    expect(published).toHaveLength(0);
    await clock.advance(1);
    expect(published).toHaveLength(1);
  });

  test('a slow call', async () => {
    faults.nextSend({ kind: 'slow', ms: 3000 });
    const sending = send();
    await clock.advance(2999);
    expect(graph.sentMessages).toHaveLength(0);
    await clock.advance(1);
    expect((await sending).status).toBe(200);
  });

  test('an error carries its codes and whether it is temporary', async () => {
    faults.nextSend({ kind: 'error', code: 2, subcode: 5, status: 500, transient: true });
    const { error } = JSON.parse((await send()).body);
    expect(error).toMatchObject({ code: 2, error_subcode: 5, is_transient: true });
    expect(error.fbtrace_id).toMatch(/^A/);
  });

  test('actions and refused calls use up no fault', async () => {
    faults.nextSend({ kind: 'drop_echo' });
    await send({ recipient: { id: '200' }, sender_action: 'typing_on' });
    await send(text(''));
    expect(faults.waiting).toBe(1);
  });
});
