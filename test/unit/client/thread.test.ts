// The messages of a conversation from its events: tables of events and of what is shown, in any order.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ChatItem } from '../../../lib/client/message.ts';
import type { EventMessage } from '../../../lib/client/protocol.ts';
import { Thread } from '../../../lib/client/thread.ts';
import { A, event, NOW } from './desk-fixture.ts';

type Data = Record<string, unknown>;
const EVE = { id: 'agent-1', name: 'Eve', role: 'agent' };
const ERROR = { code: 'rejected', message: 'no', retryable: false };

const received = (seq: number, data: Data = {}): EventMessage =>
  event(A, seq, seq - 1, 'message.received', {
    mid: `m${seq}`,
    at: NOW + seq,
    text: `t${seq}`,
    ...data,
  });
const of = (seq: number, kind: string, data: Data): EventMessage =>
  event(A, seq, seq - 1, kind, data);
const queued = (seq: number, data: Data = {}): EventMessage =>
  of(seq, 'message.queued', {
    message: `o${seq}`,
    request: `r${seq}`,
    by: EVE,
    text: `t${seq}`,
    ...data,
  });
const sent = (seq: number, message: string, mid: string): EventMessage =>
  of(seq, 'message.sent', { message, mid });

/** One item in a line: who, text, status and marks. */
function show(item: ChatItem): string {
  if (item.type === 'note') return `*${item.kind}`;
  const marks = [
    item.status ?? '',
    item.isEdited ? 'edited' : '',
    item.isDeleted ? 'deleted' : '',
    item.isUnsupported ? 'unsupported' : '',
    ...item.attachments.map((attachment) => `[${attachment.type}]`),
    ...item.reactions.map((reaction) => `${reaction.by}:${reaction.emoji}`),
    item.replyTo === undefined ? '' : `>${item.replyTo}`,
  ].filter((mark) => mark !== '');
  return [`${item.from[0]}:${item.text}`, ...marks].join(' ');
}

function fold(events: readonly EventMessage[]): string[] {
  const thread = new Thread(A);
  for (const each of events) thread.apply(each);
  return thread.items.map(show);
}

const scenarios: [string, EventMessage[], string[]][] = [
  [
    'S17 shows a shuffled batch in the order of its times',
    [
      received(1, { at: NOW + 300 }),
      received(2, { at: NOW + 100 }),
      received(3, { at: NOW + 200 }),
    ],
    ['c:t2', 'c:t3', 'c:t1'],
  ],
  [
    'shows equal times by seq',
    [received(2, { at: NOW }), received(1, { at: NOW })],
    ['c:t1', 'c:t2'],
  ],
  ['absorbs a second event of the same mid', [received(1), received(2, { mid: 'm1' })], ['c:t1']],
  [
    'S26 shows all attachments',
    [
      received(1, {
        text: '',
        attachments: [
          { index: 0, type: 'image' },
          { index: 1, type: 'file' },
        ],
      }),
    ],
    ['c: [image] [file]'],
  ],
  ['S28 shows a placeholder for nothing', [received(1, { text: undefined })], ['c: unsupported']],
  [
    'S28 shows the text beside what is not supported',
    [received(1, { unsupported: true })],
    ['c:t1 unsupported'],
  ],
  ['shows what an answer refers to', [received(1, { replyTo: { mid: 'm0' } })], ['c:t1 >m0']],
  [
    'S14 shows what was sent outside',
    [of(1, 'message.outside', { mid: 'x', at: NOW, text: 'by hand', origin: 'page_inbox' })],
    ['o:by hand'],
  ],
  [
    'S12 shows one bubble when the echo came as an outside message first',
    [queued(1), of(2, 'message.outside', { mid: 'x', at: NOW, text: 't1' }), sent(3, 'o1', 'x')],
    ['a:t1 sent'],
  ],
  [
    'S21 keeps the last edit whatever comes first',
    [
      received(1),
      of(2, 'message.edited', { mid: 'm1', text: 'second', edit: 2 }),
      of(3, 'message.edited', { mid: 'm1', text: 'first', edit: 1 }),
    ],
    ['c:second edited'],
  ],
  [
    'S21 applies an edit to a message that comes later',
    [of(1, 'message.edited', { mid: 'm2', text: 'new', edit: 1 }), received(2)],
    ['c:new edited'],
  ],
  [
    'S29 removes text and files of a deleted message',
    [
      received(1, { attachments: [{ index: 0, type: 'image', url: 'https://x' }] }),
      of(2, 'message.deleted', { mid: 'm1' }),
      of(3, 'message.edited', { mid: 'm1', text: 'too late', edit: 1 }),
    ],
    ['c: deleted'],
  ],
  [
    'S22 keeps a reaction to a message that comes later',
    [of(1, 'reaction', { mid: 'm2', action: 'react', emoji: '❤', by: 'customer' }), received(2)],
    ['c:t2 customer:❤'],
  ],
  [
    'S22 takes a reaction back without an emoji, also of an unknown message',
    [
      received(1),
      of(2, 'reaction', { mid: 'm1', action: 'react', emoji: '❤', by: 'customer' }),
      of(3, 'reaction', { mid: 'm1', action: 'unreact', by: 'customer' }),
      of(4, 'reaction', { mid: 'nobody', action: 'unreact', by: 'customer' }),
      of(5, 'reaction', { mid: 'm1', action: 'react', emoji: '👍', by: 'page' }),
    ],
    ['c:t1 page:👍'],
  ],
  ['shows a queued message', [queued(1)], ['a:t1 queued']],
  [
    'S18 reads before deliveries, old watermarks after new ones',
    [
      queued(1),
      sent(2, 'o1', 'x1'),
      of(3, 'message.read', { watermark: NOW + 3 }),
      of(4, 'message.delivered', { watermark: NOW + 3 }),
      of(5, 'message.read', { watermark: NOW }),
    ],
    ['a:t1 read'],
  ],
  [
    'S19 does not let a late success undo a delivery',
    [
      queued(1),
      of(2, 'message.delivered', { watermark: NOW + 1, mids: ['x'] }),
      sent(3, 'o1', 'x'),
    ],
    ['a:t1 delivered'],
  ],
  [
    'leaves what was sent after the watermark as sent',
    [
      queued(1),
      sent(2, 'o1', 'x1'),
      of(3, 'message.read', { watermark: NOW + 2 }),
      queued(4),
      sent(5, 'o4', 'x4'),
    ],
    ['a:t1 read', 'a:t4 sent'],
  ],
  [
    'raises everything before a message that is named',
    [
      queued(1),
      sent(2, 'o1', 'x1'),
      queued(3),
      sent(4, 'o3', 'x3'),
      queued(5),
      sent(6, 'o5', 'x5'),
      of(7, 'message.read', { watermark: 0, mid: 'x3' }),
    ],
    ['a:t1 read', 'a:t3 read', 'a:t5 sent'],
  ],
  [
    'S37 shows a failure and an uncertainty with the newer of the two',
    [
      queued(1),
      of(2, 'message.uncertain', { message: 'o1', error: ERROR }),
      of(3, 'message.failed', { message: 'o1', error: ERROR }),
    ],
    ['a:t1 failed'],
  ],
  [
    'S36 shows an uncertain message as sent when its echo comes after all',
    [queued(1), of(2, 'message.uncertain', { message: 'o1', error: ERROR }), sent(3, 'o1', 'x')],
    ['a:t1 sent'],
  ],
  [
    'shows what is queued again, and what was let go',
    [
      queued(1),
      of(2, 'message.failed', { message: 'o1', error: ERROR }),
      of(3, 'message.resolved', { message: 'o1', action: 'resend' }),
      queued(4),
      of(5, 'message.uncertain', { message: 'o4', error: ERROR }),
      of(6, 'message.resolved', { message: 'o4', action: 'discard' }),
    ],
    ['a:t1 queued', 'a:t4 discarded'],
  ],
  [
    'shows notes among the messages and nothing for the rest',
    [
      received(1),
      of(2, 'postback', { title: 'Start', at: NOW + 2 }),
      of(3, 'conversation.seen', { seq: 1, by: EVE }),
      of(4, 'unknown', { name: 'later' }),
      of(5, 'conversation.closed', { by: EVE }),
    ],
    ['c:t1', '*postback', '*conversation.closed'],
  ],
];

describe('a thread', () => {
  test.each(scenarios)('%s', (_name, events, expected) => {
    expect(fold(events)).toEqual(expected);
  });

  test('is the same for every order of its events, and repeats change nothing', () => {
    const all = scenarios.map(([, events]) => events);
    fc.assert(
      fc.property(
        fc
          .constantFrom(...all)
          .chain((events) =>
            fc.tuple(
              fc.constant(events),
              fc.shuffledSubarray(events, { minLength: events.length }),
              fc.subarray(events),
            ),
          ),
        ([events, shuffled, again]) => {
          expect(fold([...shuffled, ...again])).toEqual(fold(events));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('gives the same array and the same messages while nothing changes', () => {
    const thread = new Thread(A);
    thread.apply(received(1));
    thread.apply(queued(2));
    const before = thread.items;
    expect(thread.items).toBe(before);
    expect(thread.apply(received(1))).toBe(false);
    thread.apply(sent(3, 'o2', 'x'));
    expect(thread.items[0]).toBe(before[0]);
    expect(thread.items[1]).not.toBe(before[1]);
    expect(thread.findByMid('x')?.text).toBe('t2');
  });
});

describe('what is being sent', () => {
  test('is shown at once, and once when the gateway has it', () => {
    const thread = new Thread(A);
    thread.apply(received(1));
    thread.addLocal('r2', { text: 't2' }, NOW - 5_000);
    expect(thread.items.map(show)).toEqual(['c:t1', 'a:t2 sending']);
    thread.apply(queued(2));
    thread.addLocal('r2', { text: 't2' }, NOW);
    expect(thread.items.map(show)).toEqual(['c:t1', 'a:t2 queued']);
  });

  test('is shown as refused, tried again and dropped', () => {
    const thread = new Thread(A);
    thread.addLocal('r', { text: 'x', attachment: { type: 'image', url: 'https://x' } }, NOW);
    thread.refuseLocal('r', ERROR);
    expect(thread.items.map(show)).toEqual(['a:x refused [image]']);
    thread.refuseLocal('r', undefined);
    expect(thread.items.map(show)).toEqual(['a:x sending [image]']);
    thread.dropLocal('r');
    thread.refuseLocal('r', ERROR);
    expect(thread.items).toEqual([]);
  });

  test('follows a decision of ours although nobody is told of it', () => {
    const thread = new Thread(A);
    thread.apply(queued(1));
    thread.apply(of(2, 'message.failed', { message: 'o1', error: ERROR }));
    thread.resolve('o1', 'resend', thread.head);
    expect(thread.items.map(show)).toEqual(['a:t1 queued']);
    thread.apply(of(3, 'message.failed', { message: 'o1', error: ERROR }));
    thread.resolve('o1', 'discard', thread.head);
    expect(thread.items.map(show)).toEqual(['a:t1 discarded']);
  });
});

describe('history', () => {
  const page = (from: number, to: number, complete = false) => ({
    events: Array.from({ length: to - from + 1 }, (_, i) => received(from + i)),
    complete,
  });
  const texts = (thread: Thread): string => thread.items.map((item) => item.seq).join(' ');

  test('joins live events with pages, whichever comes first', () => {
    const thread = new Thread(A);
    thread.apply(received(9));
    expect([thread.isLoaded, thread.before]).toEqual([false, undefined]);
    thread.addHistory(page(6, 8), true);
    expect([thread.isLoaded, thread.before, thread.isComplete]).toEqual([true, 6, false]);
    thread.addHistory(page(3, 6), false);
    thread.addHistory(page(1, 2, true), false);
    expect(texts(thread)).toBe('1 2 3 4 5 6 7 8 9');
    expect([thread.before, thread.isComplete]).toEqual([1, true]);
  });

  test('of an empty conversation is complete', () => {
    const thread = new Thread(A);
    thread.addHistory({ events: [], complete: true }, true);
    expect([thread.isLoaded, thread.isComplete, thread.before]).toEqual([true, true, undefined]);
  });

  test('after a gap joins what is held when it reaches it', () => {
    const thread = new Thread(A);
    thread.addHistory(page(1, 5, true), true);
    thread.markStale();
    thread.apply(received(12));
    thread.addHistory(page(6, 11), true);
    expect(texts(thread)).toBe('1 2 3 4 5 6 7 8 9 10 11 12');
    expect(thread.isComplete).toBe(true);
  });

  test('after a gap that it does not bridge begins anew with what came since', () => {
    const thread = new Thread(A);
    thread.addHistory(page(1, 5, true), true);
    thread.markStale();
    thread.markStale();
    thread.apply(received(12));
    thread.addHistory(page(9, 11), true);
    expect(texts(thread)).toBe('9 10 11 12');
    expect([thread.isComplete, thread.before, thread.isLoaded]).toEqual([false, 9, true]);
  });
});
