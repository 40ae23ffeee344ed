// Deciding sends and resolves: order of checks, limits at their bounds, idempotency.

import { describe, expect, test } from 'vitest';
import type { ConversationState } from '../../../lib/desk/conversation.ts';
import { foldRecord } from '../../../lib/desk/fold.ts';
import * as limits from '../../../lib/desk/limits.ts';
import {
  contentOfQueued,
  metadataOf,
  parseMetadata,
  partsOf,
} from '../../../lib/desk/outbox-content.ts';
import { decideResolve } from '../../../lib/desk/resolve.ts';
import {
  decideSend,
  type SendRequest,
  sameContent,
  sendDedupeKey,
} from '../../../lib/desk/send.ts';
import { toView } from '../../../lib/desk/view.ts';
import { ANN, BOB, CONVERSATION, deskRecord, T0 } from './memory-desk.ts';

const HOUR = 3_600_000;

function stateWith(...kinds: readonly (readonly [string, object])[]): ConversationState {
  let state = foldRecord(
    undefined,
    deskRecord(1, 'message.received', { mid: 'm1', at: T0, text: 'hi', window: true }),
  );
  kinds.forEach(([kind, data], index) => {
    state = foldRecord(state, deskRecord(index + 2, kind, data));
  });
  return state;
}

function decide(
  state: ConversationState | undefined,
  request: Partial<SendRequest> = {},
  agent = ANN,
) {
  return decideSend(state, { id: 'r1', message: { text: 'hello' }, ...request }, agent, T0 + 9);
}

function codeOf(decision: ReturnType<typeof decide>): string {
  return decision.ok ? 'ok' : decision.error.code;
}

test('an allowed send becomes one fencing message.queued under its key', () => {
  const decision = decide(stateWith(), {
    message: {
      text: 'hello',
      quickReplies: [{ title: 'Yes', payload: 'Y' }],
      replyTo: 'm1',
      extra: 1,
    },
    seen: 1,
  });
  if (!decision.ok) throw new Error(decision.error.message);
  const { data, ...record } = decision.record;
  expect(record).toEqual({
    conversation: CONVERSATION,
    kind: 'message.queued',
    at: T0 + 9,
    dedupeKey: 'send:ann:r1',
    fences: true,
    expectSeq: 1,
  });
  expect(JSON.parse(data)).toEqual({
    message: decision.message,
    request: 'r1',
    by: ANN,
    text: 'hello',
    quickReplies: [{ title: 'Yes', payload: 'Y' }],
    replyTo: { mid: 'm1' },
  });
  expect(decision.message).toMatch(/^[0-9A-Z]{26}$/);
});

test('without `seen` and without a claim nothing is expected of the fence', () => {
  const decision = decide(stateWith());
  expect(decision.ok && 'expectSeq' in decision.record).toBe(false);
});

describe('seen', () => {
  const byAnn = ['message.queued', { message: 'A', request: 'a', by: ANN, text: 'x' }] as const;
  const byBob = ['message.queued', { message: 'B', request: 'b', by: BOB, text: 'x' }] as const;
  test.each([
    { name: 'everything was seen', kinds: [], seen: 1, code: 'ok' },
    { name: 'the customer’s message was not', kinds: [], seen: 0, code: 'stale' },
    { name: 'only own sends are newer', kinds: [byAnn, byAnn], seen: 1, code: 'ok' },
    { name: 'a colleague sent', kinds: [byBob], seen: 1, code: 'stale' },
    { name: 'a colleague sent before oneself', kinds: [byBob, byAnn], seen: 1, code: 'stale' },
    { name: 'a colleague sent, and it was seen', kinds: [byBob, byAnn], seen: 2, code: 'ok' },
    {
      name: 'an edit',
      kinds: [['message.edited', { mid: 'm1', edit: 1 }]],
      seen: 1,
      code: 'stale',
    },
    { name: 'a deletion', kinds: [['message.deleted', { mid: 'm1' }]], seen: 1, code: 'stale' },
    { name: 'a postback', kinds: [['postback', { title: 'x' }]], seen: 1, code: 'stale' },
    { name: 'sent elsewhere', kinds: [['message.outside', { mid: 'o' }]], seen: 1, code: 'stale' },
    {
      name: 'a reaction does not count',
      kinds: [['reaction', { mid: 'm1' }]],
      seen: 1,
      code: 'ok',
    },
    {
      name: 'a status does not count',
      kinds: [['message.read', { watermark: 9 }]],
      seen: 1,
      code: 'ok',
    },
    { name: 'nothing was said of it', kinds: [byBob], seen: undefined, code: 'ok' },
  ] as const)('$name: $code', ({ kinds, seen, code }) => {
    const decision = decide(stateWith(...kinds), seen === undefined ? {} : { seen });
    expect(codeOf(decision)).toBe(code);
    if (!decision.ok) expect(decision.error.data).toHaveProperty('seq');
  });
});

describe('the order of checks', () => {
  const claimed = (): ConversationState => {
    const state = stateWith();
    state.claim = { claim: 7, agent: { id: 'bob', name: 'Bob' }, at: T0 };
    return state;
  };
  test.each([
    { name: 'another’s claim before stale', agent: ANN, request: { seen: 0 }, code: 'taken' },
    { name: 'an old number of one’s own', agent: BOB, request: { claim: 6 }, code: 'taken' },
    { name: 'the owner may omit it', agent: BOB, request: {}, code: 'ok' },
    { name: 'the owner’s number', agent: BOB, request: { claim: 7 }, code: 'ok' },
    { name: 'stale before limits', agent: BOB, request: { seen: 0, message: {} }, code: 'stale' },
    { name: 'limits last', agent: BOB, request: { seen: 1, message: {} }, code: 'bad_request' },
  ])('$name: $code', ({ agent, request, code }) => {
    expect(codeOf(decide(claimed(), request, agent as typeof ANN))).toBe(code);
  });

  test('a claim number for what nobody claims is refused with the truth', () => {
    const decision = decide(stateWith(), { claim: 3 });
    expect(decision).toMatchObject({
      ok: false,
      error: { code: 'taken', data: { owner: null, claim: 0 } },
    });
  });

  test('nothing known of the conversation, and the Page itself, are not found', () => {
    expect(codeOf(decide(undefined))).toBe('not_found');
    const page = foldRecord(undefined, {
      ...deskRecord(1, 'policy', {}),
      conversation: 'messenger/1',
    });
    expect(codeOf(decide(page))).toBe('not_found');
  });
});

const url = (length: number): string => `https://x.example/${'a'.repeat(length - 18)}`;
const reply = (title: number, payload: number) => ({
  title: 't'.repeat(title),
  payload: 'p'.repeat(payload),
});

test.each([
  { name: 'no object', message: 'hi', code: 'bad_request' },
  { name: 'nothing', message: {}, code: 'bad_request' },
  { name: 'blank text', message: { text: ' \n' }, code: 'bad_request' },
  { name: 'a number', message: { text: 5 }, code: 'bad_request' },
  { name: 'text at the bound', message: { text: 'x'.repeat(limits.TEXT_CHARS_MAX) }, code: 'ok' },
  {
    name: 'text above it',
    message: { text: 'x'.repeat(limits.TEXT_CHARS_MAX + 1) },
    code: 'too_long',
  },
  { name: 'an image', message: { attachment: { type: 'image', url: 'https://x/y' } }, code: 'ok' },
  {
    name: 'a type unknown',
    message: { attachment: { type: 'gif', url: 'https://x/y' } },
    code: 'bad_request',
  },
  {
    name: 'a file address',
    message: { attachment: { type: 'file', url: 'file:///etc/passwd' } },
    code: 'bad_request',
  },
  { name: 'no address', message: { attachment: { type: 'file', url: 'x' } }, code: 'bad_request' },
  {
    name: 'address at the bound',
    message: { attachment: { type: 'file', url: url(2048) } },
    code: 'ok',
  },
  {
    name: 'address above it',
    message: { attachment: { type: 'file', url: url(2049) } },
    code: 'bad_request',
  },
  {
    name: 'text and attachment',
    message: { text: 'a', attachment: { type: 'file', url: 'https://x/y' } },
    code: 'bad_request',
  },
  {
    name: '13 quick replies',
    message: { text: 'a', quickReplies: Array(13).fill(reply(20, 1000)) },
    code: 'ok',
  },
  {
    name: '14 quick replies',
    message: { text: 'a', quickReplies: Array(14).fill(reply(1, 1)) },
    code: 'bad_request',
  },
  {
    name: 'a long title',
    message: { text: 'a', quickReplies: [reply(21, 1)] },
    code: 'bad_request',
  },
  { name: 'no title', message: { text: 'a', quickReplies: [reply(0, 1)] }, code: 'bad_request' },
  {
    name: 'a long payload',
    message: { text: 'a', quickReplies: [reply(1, 1001)] },
    code: 'bad_request',
  },
  { name: 'quick replies alone', message: { quickReplies: [reply(1, 1)] }, code: 'bad_request' },
  { name: 'no list', message: { text: 'a', quickReplies: {} }, code: 'bad_request' },
  { name: 'a strange member', message: { text: 'a', quickReplies: [null] }, code: 'bad_request' },
  { name: 'an empty list', message: { text: 'a', quickReplies: [] }, code: 'ok' },
  { name: 'replyTo no text', message: { text: 'a', replyTo: 4 }, code: 'bad_request' },
  {
    name: 'replyTo too long',
    message: { text: 'a', replyTo: 'm'.repeat(513) },
    code: 'bad_request',
  },
])('a message with $name: $code', ({ message, code }) => {
  const decision = decide(stateWith(), { message });
  expect(codeOf(decision)).toBe(code);
  if (!decision.ok) expect(decision.error.message).not.toMatch(/passwd|xxx/);
});

test.each([
  { waiting: limits.QUEUED_MAX - 1, code: 'ok' },
  { waiting: limits.QUEUED_MAX, code: 'rate_limited' },
])('$waiting messages waiting: $code', ({ waiting, code }) => {
  const queued = Array.from(
    { length: waiting },
    (_, i) =>
      ['message.queued', { message: `M${i}`, request: `${i}`, by: ANN, text: 'x' }] as const,
  );
  const decision = decide(stateWith(...queued));
  expect(codeOf(decision)).toBe(code);
  if (!decision.ok) {
    expect(decision.error).toMatchObject({
      retryable: true,
      data: { retryAfterMs: limits.QUEUE_FULL_RETRY_MS },
    });
  }
});

describe('a repeated send', () => {
  const contents = [
    { text: 'a' },
    { text: 'b' },
    { text: 'a', replyTo: 'm1' },
    { text: 'a', quickReplies: [{ title: 't', payload: 'p' }] },
    { attachment: { type: 'image', url: 'https://x/1' } },
    { attachment: { type: 'file', url: 'https://x/1' } },
  ] as const;
  test.each(contents)('is the same only when all of its content is: %j', (content) => {
    const decision = decide(stateWith(), { message: content });
    if (!decision.ok) throw new Error(decision.error.message);
    const queued = JSON.parse(decision.record.data);
    expect(contentOfQueued(queued)).toEqual(content);
    for (const other of contents) expect(sameContent(queued, other)).toBe(other === content);
  });

  test('is found under the agent’s id and its own', () => {
    expect(sendDedupeKey('ann', 'r')).not.toBe(sendDedupeKey('bob', 'r'));
  });
});

test.each([
  { text: 'gw:01ABC:0', parsed: { message: '01ABC', part: 0 } },
  { text: metadataOf('01ABC', 12), parsed: { message: '01ABC', part: 12 } },
  { text: 'gw:01ABC', parsed: undefined },
  { text: 'gw:01ABC:x', parsed: undefined },
  { text: 'other:01ABC:0', parsed: undefined },
  { text: '', parsed: undefined },
])('metadata $text', ({ text, parsed }) => {
  expect(parseMetadata(text)).toEqual(parsed);
});

test('S41: a split text answers with its first part and asks with its last', () => {
  const content = { text: 'abcdef', replyTo: 'm', quickReplies: [{ title: 't', payload: 'p' }] };
  expect(partsOf(content, (text) => text.match(/../g) ?? [])).toEqual([
    { text: 'ab', replyTo: 'm' },
    { text: 'cd' },
    { text: 'ef', quickReplies: [{ title: 't', payload: 'p' }] },
  ]);
});

describe('resolve', () => {
  const queued = ['message.queued', { message: 'A', request: 'a', by: ANN, text: 'x' }] as const;
  const error = { code: 'rejected', message: 'no', retryable: false };
  const failed = ['message.failed', { message: 'A', error }] as const;
  const resend = ['message.resolved', { message: 'A', action: 'resend', by: BOB }] as const;
  const discard = ['message.resolved', { message: 'A', action: 'discard', by: BOB }] as const;
  test.each([
    { name: 'failed', kinds: [queued, failed], code: 'ok' },
    {
      name: 'uncertain',
      kinds: [queued, ['message.uncertain', { message: 'A', error }]],
      code: 'ok',
    },
    { name: 'queued', kinds: [queued], code: 'bad_request' },
    {
      name: 'sent',
      kinds: [queued, ['message.sent', { message: 'A', mid: 'm' }]],
      code: 'bad_request',
    },
    { name: 'being resent', kinds: [queued, failed, resend], code: 'bad_request' },
    { name: 'given up', kinds: [queued, failed, discard], code: 'bad_request' },
    { name: 'unknown', kinds: [], code: 'not_found' },
  ] as const)('of a message that is $name: $code', ({ kinds, code }) => {
    const decision = decideResolve(stateWith(...kinds), 'A', 'resend', ANN, T0);
    expect(decision.ok ? 'ok' : decision.error.code).toBe(code);
    if (decision.ok) expect(decision.record).toMatchObject({ kind: 'message.resolved' });
    if (decision.ok) expect(decision.record.internal).toBeUndefined();
  });
});

describe('the window', () => {
  const until = T0 + 24 * HOUR - 60_000;
  const humanUntil = T0 + 7 * 24 * HOUR - 60_000;
  test.each([
    { at: until - 1, options: {}, ad: false, verdict: 'allowed' },
    { at: until, options: {}, ad: false, verdict: 'closed' },
    { at: until, options: { humanAgent: true }, ad: false, verdict: 'human_agent' },
    { at: until, options: { humanAgent: true }, ad: true, verdict: 'unsure' },
    { at: humanUntil - 1, options: { humanAgent: true }, ad: false, verdict: 'human_agent' },
    { at: humanUntil, options: { humanAgent: true }, ad: true, verdict: 'closed' },
  ])('at $at with ad $ad, $options: $verdict', ({ at, options, ad, verdict }) => {
    const state = stateWith();
    state.fromAd = ad;
    expect(toView(state, at, options).window).toEqual({
      until,
      humanAgentUntil: humanUntil,
      verdict,
    });
  });

  test('of somebody who never wrote is unsure', () => {
    const state = foldRecord(
      undefined,
      deskRecord(1, 'message.outside', { mid: 'o', at: T0, text: 'x' }),
    );
    expect(toView(state, T0).window).toEqual({ until: 0, humanAgentUntil: 0, verdict: 'unsure' });
  });

  test('a closed one refuses no send yet', () => {
    const decision = decideSend(
      stateWith(),
      { id: 'r', message: { text: 'x' } },
      ANN,
      T0 + 999 * HOUR,
    );
    expect(decision.ok).toBe(true);
  });
});

test('agents see of a conversation what the contract names, and nothing else', () => {
  const state = stateWith(['customer.updated', { name: 'Ada', picture: 'https://p' }]);
  expect(toView(state, T0)).toEqual({
    conversation: CONVERSATION,
    page: state.page,
    seq: 2,
    state: 'open',
    customer: { id: state.user, name: 'Ada', picture: 'https://p' },
    claim: null,
    thread: 'ours',
    window: expect.objectContaining({ verdict: 'allowed' }),
    unread: 1,
    waitingSince: T0,
    last: { at: T0, from: 'customer', text: 'hi', mid: 'm1' },
  });
});
