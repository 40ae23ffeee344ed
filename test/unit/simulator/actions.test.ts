// What the phone page may ask for: every action, and nothing else.

import { beforeEach, describe, expect, test } from 'vitest';
import { performAction, performFaults } from '../../../lib/simulator/actions.ts';
import { createSimulator, type Simulator } from '../../../lib/simulator/simulator.ts';
import type { Thread } from '../../../lib/simulator/world.ts';
import { ManualClock } from '../../support/manual-clock.ts';

let simulator: Simulator;
let thread: Thread;

beforeEach(() => {
  simulator = createSimulator({
    gatewayUrl: 'http://127.0.0.1:1',
    verifyToken: 'v',
    appId: '5',
    appSecret: 's',
    pages: [{ id: '100', name: 'Shop', accessToken: 't' }],
    clock: new ManualClock(),
  });
  // Nothing is sent here: only what happens in the world counts.
  simulator.faults.setWebhooks({ hold: true });
  thread = simulator.world.thread('100', '7');
});

const act = (action: object): ReturnType<typeof performAction> =>
  performAction(simulator, { page: '100', user: '7', ...action });

describe('actions', () => {
  test.each<[object, object]>([
    [{ type: 'text', text: 'hi' }, { text: 'hi' }],
    [{ type: 'text', text: 'hi', replyTo: 'm' }, { replyTo: 'm' }],
    [
      { type: 'image', url: 'https://a/b' },
      { attachments: [{ type: 'image', url: 'https://a/b' }] },
    ],
    [{ type: 'sticker' }, { attachments: [{ type: 'sticker', stickerId: '369239263222822' }] }],
    [{ type: 'quickReply', title: 'Yes', payload: 'Y' }, { text: 'Yes' }],
    [{ type: 'postback', title: 'Start', payload: 'GO' }, { text: 'Start' }],
    [
      { type: 'inbox', text: 'hello' },
      { from: 'page', fromInbox: true, text: 'hello' },
    ],
  ])('%j adds a bubble and a webhook', (action, bubble) => {
    const result = act(action);
    expect(result).toEqual({ ok: true, mid: thread.messages[0]?.mid });
    expect(thread.messages).toMatchObject([bubble]);
    expect(simulator.webhooks.waiting).toBe(1);
  });

  test('a customer reacts, takes it back, and edits', () => {
    act({ type: 'text', text: 'hi' });
    const mid = thread.messages[0]?.mid;
    expect(act({ type: 'react', mid, emoji: '👍' })).toEqual({ ok: true });
    expect(thread.messages[0]?.reactions).toEqual({ customer: '👍' });
    expect(act({ type: 'react', mid, emoji: null })).toEqual({ ok: true });
    expect(thread.messages[0]?.reactions).toEqual({});
    expect(act({ type: 'edit', mid, text: 'hello' })).toEqual({ ok: true });
    expect(thread.messages[0]).toMatchObject({ text: 'hello', edits: 1 });
    expect(simulator.webhooks.waiting).toBe(4);
  });

  test('a customer reads once', () => {
    act({ type: 'inbox', text: 'hello' });
    act({ type: 'read' });
    act({ type: 'read' });
    expect(thread.readAt).toBe(thread.messages[0]?.at);
    expect(simulator.webhooks.waiting).toBe(2);
  });

  test('a thread that a phone shows is read until the last phone leaves', () => {
    const leave = [simulator.view('100', '7'), simulator.view('100', '7')];
    leave[0]?.();
    leave[0]?.();
    act({ type: 'inbox', text: 'hello' });
    expect(thread.readAt).toBe(0);
    leave[1]?.();
    simulator.view('100', '7');
    expect(thread.readAt).toBe(thread.messages[0]?.at);
  });

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['a list', []],
    ['no type', { page: '100', user: '7' }],
    ['an unknown type', { type: 'wave', page: '100', user: '7' }],
    ['a member of every object', { type: 'constructor', page: '100', user: '7' }],
    ['no user', { type: 'text', page: '100', text: 'x' }],
    ['an unknown Page', { type: 'text', page: '999', user: '7', text: 'x' }],
    ['a user that is no id', { type: 'text', page: '100', user: 'a/b', text: 'x' }],
    ['an empty text', { type: 'text', page: '100', user: '7', text: ' ' }],
    ['a text over the bound', { type: 'text', page: '100', user: '7', text: 'x'.repeat(20_001) }],
    ['an image that is no address', { type: 'image', page: '100', user: '7', url: 'javascript:1' }],
    ['a reaction to nothing', { type: 'react', page: '100', user: '7', mid: 'm', emoji: 'x' }],
    ['an edit of nothing', { type: 'edit', page: '100', user: '7', mid: 'm', text: 'x' }],
    ['a tap without payload', { type: 'postback', page: '100', user: '7', title: 'x' }],
    ['a quick reply without title', { type: 'quickReply', page: '100', user: '7', payload: 'x' }],
    ['an inbox without text', { type: 'inbox', page: '100', user: '7' }],
  ])('refuses %s', (_name, action) => {
    expect(performAction(simulator, action)).toMatchObject({ ok: false });
    expect(simulator.webhooks.waiting).toBe(0);
  });
});

describe('faults', () => {
  test.each<object>([
    { kind: 'error', code: 613, subcode: 5, status: 403, transient: true, sent: true },
    { kind: 'error', code: 1 },
    { kind: 'status', status: 503 },
    { kind: 'lost_answer' },
    { kind: 'reset', sent: false },
    { kind: 'reset' },
    { kind: 'drop_echo' },
    { kind: 'delay_echo', ms: 5 },
    { kind: 'echo_first' },
    { kind: 'slow', ms: 5 },
  ])('%j is taken as it is', (fault) => {
    expect(performFaults(simulator, { send: fault, times: 2 })).toEqual({ ok: true });
    expect(simulator.faults.takeSend()).toEqual(fault);
    expect(simulator.faults.waiting).toBe(1);
  });

  test('of webhooks change one by one and are cleared together', () => {
    performFaults(simulator, { webhooks: { duplicate: true, shuffle: true, slowMs: 5, other: 1 } });
    expect(simulator.faults.webhooks).toEqual({
      duplicate: true,
      shuffle: true,
      slowMs: 5,
      hold: true,
    });
    performFaults(simulator, { clear: true, webhooks: { hold: true } });
    expect(simulator.faults.webhooks).toEqual({
      duplicate: false,
      shuffle: false,
      slowMs: 0,
      hold: true,
    });
  });

  test.each<unknown>([
    undefined,
    5,
    { send: 5 },
    { send: { kind: 'other' } },
    { send: { kind: 'error' } },
    { send: { kind: 'status' } },
    { send: { kind: 'slow' } },
    { send: { kind: 'slow', ms: -1 } },
    { send: { kind: 'lost_answer' }, times: 5000 },
    { webhooks: { slowMs: -1 } },
  ])('%j is refused', (request) => {
    expect(performFaults(simulator, request)).toMatchObject({ ok: false });
  });
});
