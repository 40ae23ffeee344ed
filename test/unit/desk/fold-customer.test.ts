// What customers and outsiders do, record by record.

import { describe, expect, test } from 'vitest';
import type { ConversationState } from '../../../lib/desk/conversation.ts';
import { foldRecord } from '../../../lib/desk/fold.ts';
import {
  ALARMS_MAX,
  LAST_TEXT_MAX,
  MID_CHANGES_MAX,
  UNREAD_SEQS_KEPT,
  UNREAD_SEQS_MAX,
} from '../../../lib/desk/limits.ts';
import { deskRecord, T0 } from './memory-desk.ts';

type Step = readonly [kind: string, data: object, at?: number];

const HOUR = 3_600_000;

function fold(...steps: readonly Step[]): ConversationState {
  let state: ConversationState | undefined;
  steps.forEach(([kind, data, at], index) => {
    state = foldRecord(state, deskRecord(index + 1, kind, data, at));
  });
  if (state === undefined) throw new Error('no steps');
  return state;
}

function received(mid: string, at: number, text = mid, more: object = {}): Step {
  return ['message.received', { mid, at, text, window: true, ...more }];
}

describe('a customer writes', () => {
  const cases: readonly {
    name: string;
    steps: readonly Step[];
    expected: Partial<ConversationState>;
  }[] = [
    {
      name: 'a message counts as unread, waits, and opens the window',
      steps: [received('m1', T0, 'hello')],
      expected: {
        unread: 1,
        waitingSince: T0,
        lastCustomerAt: T0,
        thread: 'ours',
        last: { at: T0, from: 'customer', text: 'hello', mid: 'm1' },
        seq: 1,
        fence: 1,
        customerSeq: 1,
      },
    },
    {
      name: 'S17: an older timestamp that comes later does not replace the newest message',
      steps: [received('m3', T0 + 3), received('m1', T0 + 1), received('m2', T0 + 2)],
      expected: {
        last: { at: T0 + 3, from: 'customer', text: 'm3', mid: 'm3' },
        unread: 3,
        waitingSince: T0 + 1,
        lastCustomerAt: T0 + 3,
      },
    },
    {
      name: 'the later record wins a tie of timestamps',
      steps: [received('m1', T0), received('m2', T0)],
      expected: { last: { at: T0, from: 'customer', text: 'm2', mid: 'm2' } },
    },
    {
      name: 'a message without text shows the type of its first attachment (S26, S28)',
      steps: [
        ['message.received', { mid: 'm', at: T0, attachments: [{ index: 0, type: 'image' }] }],
      ],
      expected: {
        last: { at: T0, from: 'customer', text: '[image]', mid: 'm' },
        lastCustomerAt: 0,
      },
    },
    {
      name: 'an unsupported message shows that it is one',
      steps: [['message.received', { mid: 'm', at: T0, unsupported: true }]],
      expected: { last: { at: T0, from: 'customer', text: '[unsupported]', mid: 'm' } },
    },
    {
      name: 'a postback is a message by its title and needs no payload (S49)',
      steps: [['postback', { at: T0, title: 'Get started', window: true, standby: true }]],
      expected: {
        last: { at: T0, from: 'customer', text: 'Get started' },
        unread: 1,
        lastCustomerAt: T0,
        thread: 'other',
      },
    },
    {
      name: 'a closed conversation opens again when the customer acts',
      steps: [received('m1', T0), ['conversation.closed', { by: 'ann' }], received('m2', T0 + 5)],
      expected: { state: 'open' },
    },
    {
      name: 'closing and reopening stand as recorded',
      steps: [received('m1', T0), ['conversation.closed', {}]],
      expected: { state: 'closed' },
    },
    {
      name: 'S22: a reaction to an unknown mid without emoji opens the window and crashes nothing',
      steps: [
        ['reaction', { mid: 'gone', action: 'unreact', by: 'customer', at: T0, window: true }],
      ],
      expected: { lastCustomerAt: T0, unread: 0, last: { at: 0, from: 'customer', text: '' } },
    },
    {
      name: 'the Page reacting is not the customer acting',
      steps: [['reaction', { mid: 'm', action: 'react', by: 'page', at: T0, window: true }]],
      expected: { lastCustomerAt: 0 },
    },
    {
      name: 'S16: a referral from an ad that comes after its message marks the window',
      steps: [
        received('m1', T0),
        ['referral', { source: 'ADS', type: 'OPEN_THREAD', at: T0 + 1, window: true }],
      ],
      expected: { fromAd: true, lastCustomerAt: T0 + 1 },
    },
    {
      name: 'a referral inside the message marks it, too',
      steps: [received('m1', T0, 'hi', { referral: { source: 'ADS' } })],
      expected: { fromAd: true },
    },
    {
      name: 'a message after the window closed begins a new one without the ad',
      steps: [
        received('m1', T0, 'hi', { referral: { source: 'ADS' } }),
        received('m2', T0 + 24 * HOUR + 1),
      ],
      expected: { fromAd: false, lastCustomerAt: T0 + 24 * HOUR + 1 },
    },
    {
      name: 'a timestamp of the future cannot pin the conversation on top',
      steps: [['message.received', { mid: 'm', at: T0 + 900 * HOUR, text: 'x' }, T0 + 7]],
      expected: { activityAt: T0 + 7 },
    },
    {
      name: 'S14: an answer from the Page inbox ends the waiting',
      steps: [
        received('m1', T0),
        [
          'message.outside',
          { mid: 'o1', at: T0 + 9, text: 'from the inbox', origin: 'page_inbox' },
        ],
      ],
      expected: {
        waitingSince: 0,
        unread: 1,
        last: { at: T0 + 9, from: 'page', text: 'from the inbox', mid: 'o1' },
      },
    },
    {
      name: 'S21: of two edits the one with the greater number stays',
      steps: [
        received('m1', T0, 'one'),
        ['message.edited', { mid: 'm1', text: 'three', edit: 2 }],
        ['message.edited', { mid: 'm1', text: 'two', edit: 1 }],
      ],
      expected: { last: { at: T0, from: 'customer', text: 'three', mid: 'm1', edit: 2 } },
    },
    {
      name: 'S21: an edit before its message is kept and applied later',
      steps: [
        ['message.edited', { mid: 'm1', text: 'after', edit: 1 }],
        received('m1', T0, 'before'),
      ],
      expected: { last: { at: T0, from: 'customer', text: 'after', mid: 'm1', edit: 1 } },
    },
    {
      name: 'S29: a deletion clears the text and adds nothing',
      steps: [received('m1', T0, 'secret'), ['message.deleted', { mid: 'm1' }]],
      expected: { last: { at: T0, from: 'customer', text: '', mid: 'm1' }, unread: 1 },
    },
    {
      name: 'S29: a deletion before its message, and an edit after it, leave nothing to read',
      steps: [
        ['message.deleted', { mid: 'm1' }],
        received('m1', T0, 'secret'),
        ['message.edited', { mid: 'm1', text: 'again', edit: 1 }],
      ],
      expected: { last: { at: T0, from: 'customer', text: '', mid: 'm1', edit: 1 } },
    },
    {
      name: 'S18: watermarks never go back',
      steps: [
        ['message.read', { watermark: T0 + 9 }],
        ['message.read', { watermark: T0 + 3 }],
        ['message.delivered', { watermark: T0 + 5 }],
      ],
      expected: { readWatermark: T0 + 9, deliveredWatermark: T0 + 5 },
    },
    {
      name: 'the profile fills name and picture',
      steps: [['customer.updated', { firstName: 'Ada', lastName: 'Li', picture: 'https://p' }, T0]],
      expected: {
        customer: { id: '7000000000000001', name: 'Ada Li', picture: 'https://p', profileAt: T0 },
      },
    },
    {
      name: 'an empty profile is remembered as asked for (S15)',
      steps: [['customer.updated', {}, T0]],
      expected: { customer: { id: '7000000000000001', profileAt: T0 } },
    },
    {
      name: 'an unknown kind moves only seq',
      steps: [received('m1', T0), ['hologram', { anything: [1] }]],
      expected: { seq: 2, fence: 1, unread: 1, customerSeq: 1, activityAt: T0 },
    },
  ];
  test.each(cases)('$name', ({ steps, expected }) => {
    expect(fold(...steps)).toMatchObject(expected);
  });
});

describe('who has the thread', () => {
  test.each([
    { name: 'S48: standby means another app', data: { at: T0, standby: true }, thread: 'other' },
    { name: 'a pass to us', data: { action: 'pass', ours: true, to: '1' }, thread: 'ours' },
    { name: 'a pass to another', data: { action: 'pass', ours: false, to: '2' }, thread: 'other' },
    { name: 'a pass to nobody', data: { action: 'pass', ours: false }, thread: 'idle' },
    {
      name: 'a take that we are told of, owner unknown',
      data: { action: 'take' },
      thread: 'other',
    },
    { name: 'a pass that we are told of, owner unknown', data: { action: 'pass' }, thread: 'ours' },
    { name: 'a request changes nothing', data: { action: 'request', to: '3' }, thread: 'idle' },
  ])('$name', ({ data, thread }) => {
    expect(fold(['handover', data]).thread).toBe(thread);
  });
});

describe("the team's read mark", () => {
  const three = [received('m1', T0), received('m2', T0), received('m3', T0)] as const;
  test.each([
    { seen: [2], unread: 1, mark: 2 },
    { seen: [3], unread: 0, mark: 3 },
    { seen: [3, 1], unread: 0, mark: 3 },
    { seen: [0], unread: 3, mark: 0 },
    { seen: [99], unread: 0, mark: 4 },
  ])('seen $seen of three leaves $unread', ({ seen, unread, mark }) => {
    const steps = seen.map((seq): Step => ['conversation.seen', { seq, by: { id: 'ann' } }]);
    expect(fold(...three, ...steps)).toMatchObject({ unread, seenSeq: mark });
  });

  test('a mark of the future does not swallow what comes after it', () => {
    const state = fold(...three, ['conversation.seen', { seq: 99 }], received('m4', T0));
    expect(state.unread).toBe(1);
  });

  test('above its bound the count stays right, and the newest seqs are kept', () => {
    const many = Array.from({ length: UNREAD_SEQS_MAX + 1 }, (_, i) => received(`m${i}`, T0));
    const state = fold(...many);
    expect(state.unread).toBe(UNREAD_SEQS_MAX + 1);
    expect(state.unreadSeqs).toHaveLength(UNREAD_SEQS_KEPT);
    const full = fold(...many.slice(1));
    expect(full.unreadSeqs).toHaveLength(UNREAD_SEQS_MAX);
    const seen = foldRecord(state, deskRecord(900, 'conversation.seen', { seq: UNREAD_SEQS_MAX }));
    expect(seen.unread).toBe(1);
  });
});

test('remembered edits and deletions are bounded, the oldest go', () => {
  const edits = Array.from(
    { length: MID_CHANGES_MAX + 1 },
    (_, i): Step => ['message.edited', { mid: `m${i}`, text: 'x', edit: 1 }],
  );
  const state = fold(...edits);
  expect(state.midChanges).toHaveLength(MID_CHANGES_MAX);
  expect(state.midChanges[0]?.mid).toBe('m1');
});

test.each([
  { name: 'at the bound', text: 'a'.repeat(LAST_TEXT_MAX), length: LAST_TEXT_MAX },
  { name: 'one above', text: 'a'.repeat(LAST_TEXT_MAX + 1), length: LAST_TEXT_MAX },
  {
    name: 'a surrogate pair at the cut',
    text: `${'a'.repeat(LAST_TEXT_MAX - 1)}😀`,
    length: LAST_TEXT_MAX - 1,
  },
])('the text in a list is cut: $name', ({ text, length }) => {
  expect(fold(received('m', T0, text)).last.text).toHaveLength(length);
});

test.each([
  ['message.received', {}],
  ['message.received', { mid: 7, at: 'soon', text: null, attachments: 'x', referral: [] }],
  ['message.edited', { edit: {} }],
  ['message.deleted', { mid: null }],
  ['message.echo', { metadata: 'gw::', mid: 3 }],
  ['message.sent', { message: 'nobody' }],
  ['message.queued', { by: 3 }],
  ['message.delivered', { watermark: 'NaN', mids: [null, 3] }],
  ['conversation.seen', { seq: Number.NaN }],
  ['handover', { action: 4 }],
  ['page.alarm', {}],
  ['policy', { action: 'block' }],
])('S51: %s with shapeless data is folded without an exception', (kind, data) => {
  expect(fold([kind, data]).conversation).toContain('messenger/');
});

test('a Page has a row of its own, which remembers its alarms', () => {
  const alarm = (state: string) => ({ alarm: 'token', state, since: T0, why: 'w' });
  const raised = fold(['page.alarm', alarm('raised')], ['page.alarm', alarm('raised')]);
  expect(raised.alarms).toEqual([{ alarm: 'token', since: T0 }]);
  expect(foldRecord(raised, deskRecord(3, 'page.alarm', alarm('cleared'))).alarms).toEqual([]);
});

test.each([
  { raised: ALARMS_MAX, kept: ALARMS_MAX, first: 'a0' },
  { raised: ALARMS_MAX + 1, kept: ALARMS_MAX, first: 'a1' },
])('of $raised different alarms $kept are remembered', ({ raised, kept, first }) => {
  const steps = Array.from(
    { length: raised },
    (_, i): Step => ['page.alarm', { alarm: `a${i}`, state: 'raised', since: T0, why: 'w' }],
  );
  const { alarms } = fold(...steps);
  expect([alarms.length, alarms[0]?.alarm]).toEqual([kept, first]);
});
