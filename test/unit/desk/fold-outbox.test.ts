// The life of an outgoing message in records: forward only, whatever the order.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type ConversationState,
  OUTBOX_STATUS_RANK,
  type OutboxMessage,
} from '../../../lib/desk/conversation.ts';
import { foldRecord } from '../../../lib/desk/fold.ts';
import { currentOf, isUnsettled } from '../../../lib/desk/fold-outbox.ts';
import { OUTBOX_KEPT_MAX } from '../../../lib/desk/limits.ts';
import { ANN, deskRecord, T0 } from './memory-desk.ts';

type Step = readonly [kind: string, data: object, at?: number];

const ERROR = { code: 'rejected', message: 'no', retryable: false };
const QUEUED: Step = ['message.queued', { message: 'A', request: 'r1', by: ANN, text: 'hi' }, T0];
const SENDING: Step = [
  'message.sending',
  { message: 'A', part: 0, attempt: 1, sender: 's' },
  T0 + 10,
];
const SENT: Step = ['message.sent', { message: 'A', mid: 'mA', at: T0 + 10 }, T0 + 20];
const ECHO: Step = ['message.echo', { mid: 'mA', at: T0 + 15, metadata: 'gw:A:0' }, T0 + 16];
const FAILED: Step = ['message.failed', { message: 'A', error: ERROR }, T0 + 20];
const UNCERTAIN: Step = ['message.uncertain', { message: 'A', error: ERROR }, T0 + 30_000];
const RESEND: Step = ['message.resolved', { message: 'A', action: 'resend', by: ANN }, T0 + 40_000];
const DISCARD: Step = [
  'message.resolved',
  { message: 'A', action: 'discard', by: ANN },
  T0 + 40_000,
];

function fold(...steps: readonly Step[]): ConversationState {
  let state: ConversationState | undefined;
  steps.forEach(([kind, data, at], index) => {
    state = foldRecord(state, deskRecord(index + 1, kind, data, at));
  });
  if (state === undefined) throw new Error('no steps');
  return state;
}

function messageOf(state: ConversationState): OutboxMessage {
  const message = state.outbox[0];
  if (message === undefined) throw new Error('no message');
  return message;
}

describe('one message', () => {
  const cases: readonly {
    name: string;
    steps: readonly Step[];
    expected: Partial<OutboxMessage>;
    without?: readonly (keyof OutboxMessage)[];
    isUnsettled?: boolean;
  }[] = [
    {
      name: 'is queued with what is to be sent',
      steps: [QUEUED],
      expected: { status: 'queued', content: { text: 'hi' }, by: ANN, attempts: 0, mids: [] },
      isUnsettled: true,
    },
    {
      name: 'is open while its call is',
      steps: [QUEUED, SENDING],
      expected: { attempts: 1, open: { part: 0, attempt: 1, sender: 's', at: T0 + 10 } },
      isUnsettled: true,
    },
    {
      name: 'is sent, and forgets what is no longer needed',
      steps: [QUEUED, SENDING, SENT],
      expected: { status: 'sent', mids: ['mA'], sentAt: T0 + 10 },
      without: ['open', 'content', 'error'],
    },
    {
      name: 'S12: takes the time of an echo that came before the answer',
      steps: [QUEUED, SENDING, ECHO, SENT],
      expected: { status: 'sent', sentAt: T0 + 15 },
    },
    {
      name: 'S12: takes the time of an echo that came after the answer',
      steps: [QUEUED, SENDING, SENT, ECHO],
      expected: { status: 'sent', sentAt: T0 + 15 },
    },
    {
      name: 'an echo alone proves it but is not its record',
      steps: [QUEUED, SENDING, ECHO],
      expected: { status: 'queued', echo: { part: 0, mid: 'mA', at: T0 + 15 } },
      isUnsettled: true,
    },
    {
      name: 'S19: a sent that comes after the read watermark is read',
      steps: [QUEUED, SENDING, ['message.read', { watermark: T0 + 12 }], SENT],
      expected: { status: 'read' },
    },
    {
      name: 'S18: a read before the delivery stays read',
      steps: [
        QUEUED,
        SENDING,
        SENT,
        ['message.read', { watermark: T0 + 50 }],
        ['message.delivered', { watermark: T0 + 40 }],
      ],
      expected: { status: 'read' },
    },
    {
      name: 'an older watermark does not touch it',
      steps: [QUEUED, SENDING, SENT, ['message.read', { watermark: T0 + 9 }]],
      expected: { status: 'sent' },
    },
    {
      name: 'is delivered at the exact watermark',
      steps: [QUEUED, SENDING, SENT, ['message.delivered', { watermark: T0 + 10 }]],
      expected: { status: 'delivered' },
    },
    {
      name: 'is delivered by its mid, whatever the watermark says',
      steps: [QUEUED, SENDING, SENT, ['message.delivered', { watermark: 1, mids: ['mA'] }]],
      expected: { status: 'delivered' },
    },
    {
      name: 'is read by its mid (Instagram)',
      steps: [QUEUED, SENDING, SENT, ['message.read', { mid: 'mA' }]],
      expected: { status: 'read' },
    },
    {
      name: 'a late echo puts it before a watermark that our clock had missed',
      steps: [
        QUEUED,
        ['message.sending', { message: 'A', part: 0, attempt: 1, sender: 's' }, T0 + 5000],
        ['message.sent', { message: 'A', mid: 'mA', at: T0 + 5000 }, T0 + 5020],
        ['message.delivered', { watermark: T0 + 20 }],
        ECHO,
      ],
      expected: { status: 'delivered', sentAt: T0 + 15 },
    },
    {
      name: 'waits after a refusal that is tried again',
      steps: [
        QUEUED,
        SENDING,
        [
          'message.deferred',
          { message: 'A', part: 0, attempt: 1, notBefore: T0 + 99, error: ERROR },
          T0 + 12,
        ],
      ],
      expected: {
        notBefore: T0 + 99,
        deferred: 'message',
        retries: 1,
        retrySince: T0 + 12,
        attempts: 1,
      },
      without: ['open'],
      isUnsettled: true,
    },
    {
      name: "a Page's pause is not counted against it",
      steps: [
        QUEUED,
        SENDING,
        [
          'message.deferred',
          { message: 'A', part: 0, attempt: 1, notBefore: T0 + 99, scope: 'page', error: ERROR },
        ],
      ],
      expected: { deferred: 'page' },
      without: ['retries', 'retrySince'],
      isUnsettled: true,
    },
    {
      name: 'stays open while its outcome is unknown',
      steps: [
        QUEUED,
        SENDING,
        ['message.unknown', { message: 'A', part: 0, until: T0 + 30_000, error: ERROR }],
      ],
      expected: {
        unknownUntil: T0 + 30_000,
        open: { part: 0, attempt: 1, sender: 's', at: T0 + 10 },
      },
      isUnsettled: true,
    },
    {
      name: 'becomes uncertain, and keeps its content for a resend',
      steps: [QUEUED, SENDING, UNCERTAIN],
      expected: { status: 'uncertain', error: ERROR, content: { text: 'hi' } },
      without: ['open', 'unknownUntil'],
    },
    {
      name: 'S36: an uncertain one with a late echo is the clerk’s again',
      steps: [QUEUED, SENDING, UNCERTAIN, ECHO],
      expected: { status: 'uncertain' },
      isUnsettled: true,
    },
    {
      name: 'S36: an uncertain one can still become sent',
      steps: [QUEUED, SENDING, UNCERTAIN, ECHO, SENT],
      expected: { status: 'sent' },
      without: ['error', 'content'],
    },
    {
      name: 'a failed one after it was sent stays sent',
      steps: [QUEUED, SENDING, SENT, FAILED, UNCERTAIN],
      expected: { status: 'sent' },
      without: ['error'],
    },
    {
      name: 'a resend keeps the status that agents saw, and is work again',
      steps: [QUEUED, SENDING, FAILED, RESEND],
      expected: { status: 'failed', resend: true, attempts: 1 },
      isUnsettled: true,
    },
    {
      name: 'a resend that fails again is settled again',
      steps: [QUEUED, SENDING, FAILED, RESEND, FAILED],
      expected: { status: 'failed' },
      without: ['resend'],
    },
    {
      name: 'a queued one cannot be resolved',
      steps: [QUEUED, DISCARD],
      expected: { status: 'queued', content: { text: 'hi' } },
      without: ['discarded'],
      isUnsettled: true,
    },
    {
      name: 'a discarded one forgets its content and is not sent again',
      steps: [QUEUED, SENDING, UNCERTAIN, DISCARD, RESEND],
      expected: { status: 'uncertain', discarded: true },
      without: ['content', 'resend'],
    },
    {
      name: 'S38: a part that is out stays out, the next begins afresh',
      steps: [QUEUED, SENDING, ['message.part', { message: 'A', part: 0, mid: 'p0' }]],
      expected: { mids: ['p0'], attempts: 0, status: 'queued' },
      without: ['open', 'retries'],
      isUnsettled: true,
    },
    {
      name: 'a part that is told twice counts once',
      steps: [
        QUEUED,
        SENDING,
        ['message.part', { message: 'A', part: 0, mid: 'p0' }],
        ['message.part', { message: 'A', part: 0, mid: 'p0' }],
      ],
      expected: { mids: ['p0'] },
      isUnsettled: true,
    },
  ];
  test.each(cases)('$name', (row) => {
    const message = messageOf(fold(...row.steps));
    expect(message).toMatchObject(row.expected);
    for (const field of row.without ?? []) expect(message).not.toHaveProperty(field);
    expect(isUnsettled(message)).toBe(row.isUnsettled ?? false);
  });
});

describe('the conversation around it', () => {
  const CUSTOMER: Step = ['message.received', { mid: 'm1', at: T0 - 5, text: 'help' }];

  test('an answer ends the waiting, and its failure begins it again', () => {
    expect(fold(CUSTOMER, QUEUED).waitingSince).toBe(0);
    expect(fold(CUSTOMER, QUEUED, SENDING, FAILED).waitingSince).toBe(T0 - 5);
  });

  test('a failure does not bring the waiting back when another answer stands', () => {
    const other: Step = [
      'message.queued',
      { message: 'B', request: 'r2', by: ANN, text: 'yo' },
      T0 + 1,
    ];
    expect(fold(CUSTOMER, QUEUED, other, SENDING, FAILED).waitingSince).toBe(0);
    const outside: Step = ['message.outside', { mid: 'o', at: T0 + 9, text: 'inbox' }];
    expect(fold(CUSTOMER, QUEUED, outside, SENDING, FAILED).waitingSince).toBe(0);
  });

  test('internal records are no events, statuses do not reorder lists', () => {
    const state = fold(QUEUED, SENDING, ECHO, SENT);
    expect(state).toMatchObject({ seq: 4, fence: 1, activityAt: T0 });
    expect(fold(QUEUED, SENDING, ECHO).seq).toBe(1);
  });

  test('an outside record that bears one of our mids is our echo, not a second bubble', () => {
    const lost: Step = ['message.outside', { mid: 'mA', at: T0 + 15, text: 'hi', origin: 'app' }];
    const state = fold(QUEUED, SENDING, SENT, lost);
    expect(messageOf(state)).toMatchObject({ status: 'sent', sentAt: T0 + 15 });
    expect(state).toMatchObject({ customerSeq: 0, last: { at: T0, from: 'page', text: 'hi' } });
  });

  test('the newest sends of two people are remembered', () => {
    const by = (id: string): Step => [
      'message.queued',
      { message: id, request: id, by: { ...ANN, id } },
    ];
    expect(fold(by('x'), by('y'), by('z'), by('y')).queuedBy).toEqual([
      { agent: 'y', seq: 4 },
      { agent: 'z', seq: 3 },
    ]);
  });

  test('what is open comes before an older message that is to be sent again', () => {
    const other: Step = ['message.queued', { message: 'B', request: 'r2', by: ANN, text: 'yo' }];
    const open: Step = ['message.sending', { message: 'B', part: 0, attempt: 1, sender: 's' }];
    const state = fold(QUEUED, SENDING, FAILED, other, open, RESEND);
    expect(currentOf(state)?.id).toBe('B');
  });
});

describe('the bound of the outbox', () => {
  const sendMany = (count: number): Step[] =>
    Array.from({ length: count }, (_, i): Step[] => [
      ['message.queued', { message: `M${i}`, request: `${i}`, by: ANN, text: 'x' }],
      ['message.sent', { message: `M${i}`, mid: `m${i}` }],
    ]).flat();

  test.each([
    { settled: OUTBOX_KEPT_MAX - 1, kept: OUTBOX_KEPT_MAX - 1, first: 'M0' },
    { settled: OUTBOX_KEPT_MAX, kept: OUTBOX_KEPT_MAX, first: 'M0' },
    { settled: OUTBOX_KEPT_MAX + 1, kept: OUTBOX_KEPT_MAX, first: 'M1' },
  ])('$settled settled messages keep $kept', ({ settled, kept, first }) => {
    const { outbox } = fold(...sendMany(settled));
    expect(outbox).toHaveLength(kept);
    expect(outbox[0]?.id).toBe(first);
  });

  test('an unsettled message is never dropped', () => {
    const { outbox } = fold(QUEUED, ...sendMany(OUTBOX_KEPT_MAX + 10));
    expect(outbox[0]?.id).toBe('A');
    expect(outbox).toHaveLength(OUTBOX_KEPT_MAX + 1);
  });
});

test('statuses only go forward under shuffled records', () => {
  const steps: readonly Step[] = [
    SENDING,
    SENT,
    ECHO,
    FAILED,
    UNCERTAIN,
    RESEND,
    ['message.delivered', { watermark: T0 + 16, mids: ['mA'] }],
    ['message.delivered', { watermark: T0 + 5 }],
    ['message.read', { watermark: T0 + 18 }],
    ['message.read', { watermark: T0 + 4 }],
    ['message.unknown', { message: 'A', part: 0, until: T0 + 9, error: ERROR }],
    ['message.part', { message: 'A', part: 0, mid: 'mA' }],
  ];
  const seed = Date.now() & 0x7fffffff;
  console.log(`seed ${seed}`);
  const shuffled = fc.shuffledSubarray([...steps, ...steps], { minLength: 1 });
  fc.assert(
    fc.property(shuffled, (order) => {
      let state = fold(QUEUED);
      let rank = 0;
      order.forEach(([kind, data, at], index) => {
        state = foldRecord(state, deskRecord(index + 2, kind, data, at));
        const next = OUTBOX_STATUS_RANK[messageOf(state).status];
        expect(next).toBeGreaterThanOrEqual(rank);
        rank = next;
      });
    }),
    { seed, numRuns: 500 },
  );
});
