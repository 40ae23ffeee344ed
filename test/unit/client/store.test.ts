// The list of conversations folded from snapshot, list and events, and the threads beside it.

import { describe, expect, test } from 'vitest';
import { UNREAD_SEQS_MAX, UnreadMarks } from '../../../lib/client/conversation-fold.ts';
import { LINE_CHARS_MAX, MID_CHANGES_MAX, MidChanges } from '../../../lib/client/mid-changes.ts';
import type { EventMessage } from '../../../lib/client/protocol.ts';
import { Store, type StoreChange, THREADS_MAX } from '../../../lib/client/store.ts';
import { THREAD_EVENTS_MAX } from '../../../lib/client/thread.ts';
import { A, B, conversationView, event, NOW, openDesk } from './desk-fixture.ts';

const EVE = { id: 'agent-1', name: 'Eve', role: 'agent' };

function storeWith(...events: EventMessage[]): Store {
  const store = new Store();
  store.snapshot({ part: 1, conversations: [conversationView(A, 100, { unread: 2 })] });
  for (const each of events) store.apply(each);
  return store;
}

describe('an event changes the conversation', () => {
  const received = event(A, 101, 100);
  const failed = (seq: number): EventMessage =>
    event(A, seq, 102, 'message.failed', { message: 'o', error: {} });
  const answer = event(A, 102, 101, 'message.queued', { message: 'o', by: EVE, text: 'yes' });
  const rows: [string, EventMessage[], object][] = [
    [
      'received: unread, waiting, last',
      [received],
      {
        seq: 101,
        unread: 3,
        waitingSince: NOW + 101,
        last: { at: NOW + 101, from: 'customer', text: 'text 101' },
      },
    ],
    [
      'queued: nobody waits',
      [received, answer],
      { unread: 3, waitingSince: 0, last: { at: NOW + 102, from: 'page', text: 'yes' } },
    ],
    [
      'failed: the customer still waits',
      [received, answer, failed(103)],
      { waitingSince: NOW + 101 },
    ],
    [
      'seen beyond the snapshot',
      [received, event(A, 102, 101, 'conversation.seen', { seq: 101 })],
      { unread: 0 },
    ],
    [
      'seen up to the snapshot',
      [received, event(A, 102, 101, 'conversation.seen', { seq: 100 })],
      { unread: 1 },
    ],
    [
      'seen inside of the snapshot',
      [received, event(A, 102, 101, 'conversation.seen', { seq: 50 })],
      { unread: 3 },
    ],
    ['closed', [event(A, 101, 100, 'conversation.closed', { by: EVE })], { state: 'closed' }],
    [
      'closed and written to',
      [event(A, 101, 100, 'conversation.closed', { by: EVE }), event(A, 102, 101)],
      { state: 'open' },
    ],
    [
      'customer.updated',
      [event(A, 101, 100, 'customer.updated', { firstName: 'Ann', lastName: 'Lee' })],
      { customer: { id: 'ann', name: 'Ann Lee' } },
    ],
    [
      'a photo stands as its type',
      [event(A, 101, 100, 'message.received', { mid: 'x', attachments: [{ type: 'image' }] })],
      { last: { at: NOW + 101, from: 'customer', text: '[image]' } },
    ],
    [
      'an older time does not take the place of the newest text',
      [event(A, 101, 100, 'message.received', { mid: 'x', at: NOW - 9, text: 'old' })],
      { unread: 3, last: { at: NOW, from: 'customer', text: 'hi' } },
    ],
    ['not above the object: nothing', [event(A, 99, 90)], { seq: 100, unread: 2 }],
    [
      'claimed and released',
      [
        event(A, 101, 100, 'conversation.claimed', { claim: 101, agent: EVE, by: EVE }),
        event(A, 102, 101, 'conversation.released', { agent: EVE }),
      ],
      { claim: null },
    ],
  ];
  test.each(rows)('%s', (_name, events, expected) => {
    expect(storeWith(...events).conversation(A)).toMatchObject(expected);
  });

  test('a conversation that nobody told of begins with its event', () => {
    const store = storeWith(event('messenger/1/new', 101, 0));
    expect(store.conversation('messenger/1/new')).toMatchObject({
      page: '1',
      customer: { id: 'new' },
      unread: 1,
      state: 'open',
    });
    expect(store.conversations.map((view) => view.customer.id)).toEqual(['new', 'ann']);
  });

  test("a Page's own events are no conversation but raise and clear its alarms", () => {
    const alarm = (seq: number, state: string): EventMessage =>
      event('messenger/1', seq, 0, 'page.alarm', { alarm: 'token', state, since: 5, why: 'w' });
    const store = storeWith(alarm(101, 'raised'));
    expect(store.conversations).toHaveLength(1);
    expect(store.alarms).toEqual([{ page: '1', alarm: 'token', since: 5, why: 'w' }]);
    store.apply(alarm(102, 'cleared'));
    expect(store.alarms).toEqual([]);
    store.addConversations([conversationView('messenger/1', 103)]);
    expect(store.conversations).toHaveLength(1);
  });
});

describe('a store', () => {
  test('begins anew with the first part of a snapshot and adds the others', () => {
    const store = storeWith();
    store.snapshot({ part: 1, conversations: [conversationView(B, 200)] });
    store.snapshot({ part: 2, conversations: [conversationView('messenger/1/c', 201)] });
    expect(store.conversation(A)).toBeUndefined();
    expect(store.conversations).toHaveLength(2);
  });

  test('takes from a list only what is not older than what it has', () => {
    const store = storeWith(event(A, 120, 100));
    store.addConversations([conversationView(A, 110), conversationView(B, 90)]);
    expect(store.conversation(A)?.seq).toBe(120);
    expect(store.conversation(B)?.seq).toBe(90);
    store.addConversations([conversationView(A, 130, { unread: 0 })]);
    expect(store.conversation(A)).toMatchObject({ seq: 130, unread: 0 });
  });

  test('marks open threads as stale when it begins anew', () => {
    const store = storeWith();
    store.addHistory(A, { events: [event(A, 100, 0)], complete: true }, true);
    expect(store.thread(A).isLoaded).toBe(true);
    store.snapshot({ part: 1, conversations: [] });
    expect(store.thread(A).isLoaded).toBe(false);
    expect(store.thread(A).items).toHaveLength(1);
  });

  test('orders by the newest message; a read mark moves nothing', () => {
    const store = storeWith();
    store.addConversations([conversationView(B, 99)]);
    const order = (): string[] => store.conversations.map((view) => view.customer.id);
    expect(order()).toEqual(['ann', 'bob']);
    store.apply(event(B, 101, 99, 'conversation.seen', { seq: 99, by: EVE }));
    expect(order()).toEqual(['ann', 'bob']);
    store.apply(event(B, 102, 101));
    expect(order()).toEqual(['bob', 'ann']);
  });

  test('tells what changed, until the listener goes', () => {
    const store = storeWith();
    const changes: StoreChange[] = [];
    const end = store.subscribe((change) => changes.push(change));
    store.thread(A);
    store.apply(event(A, 101, 100));
    store.addLocal(A, 'r', { text: 'x' }, NOW);
    store.dropLocal(A, 'r');
    end();
    store.apply(event(A, 102, 101));
    expect(changes).toEqual([
      { type: 'thread', conversation: A },
      { type: 'conversation', conversation: A },
      { type: 'thread', conversation: A },
      { type: 'thread', conversation: A },
    ]);
  });

  test('holds no more threads than its bound, the last opened ones', () => {
    const store = storeWith();
    const first = store.thread(A);
    for (let i = 0; i < THREADS_MAX - 1; i++) store.thread(`messenger/1/${i}`);
    expect(store.thread(A)).toBe(first);
    store.thread('messenger/1/one-more');
    expect(store.thread(A)).toBe(first);
    for (let i = 0; i < THREADS_MAX; i++) store.thread(`messenger/1/again${i}`);
    expect(store.thread(A)).not.toBe(first);
  });

  test('lets a thread that grew over its bound be loaded anew', () => {
    const store = storeWith();
    const thread = store.thread(A);
    thread.addHistory({ events: [], complete: true }, true);
    for (let i = 0; i < THREAD_EVENTS_MAX; i++) store.apply(event(A, 101 + i, 100 + i));
    expect(thread.isLoaded).toBe(true);
    store.apply(event(A, 101 + THREAD_EVENTS_MAX, 100 + THREAD_EVENTS_MAX));
    expect([thread.isLoaded, thread.items.length]).toEqual([false, 0]);
  });

  test('counts unread messages right beyond the bound of those it knows one by one', () => {
    const marks = new UnreadMarks(0, 0);
    for (let seq = 1; seq <= UNREAD_SEQS_MAX + 1; seq++) marks.add(seq);
    expect(marks.count).toBe(UNREAD_SEQS_MAX + 1);
    marks.seen(UNREAD_SEQS_MAX + 1);
    expect(marks.count).toBe(0);
  });

  test('shows in the list what an edit and a deletion left, whichever comes first', () => {
    const store = storeWith();
    const line = (): unknown => store.conversation(A)?.last.text;
    const edit = (seq: number, mid: string, number: number): void =>
      store.apply(
        event(A, seq, seq - 1, 'message.edited', { mid, edit: number, text: `edit ${number}` }),
      );
    const receive = (seq: number, mid: string): void =>
      store.apply(
        event(A, seq, seq - 1, 'message.received', { mid, text: 'original', at: NOW + seq }),
      );
    receive(101, 'm_a');
    edit(102, 'm_a', 2);
    edit(103, 'm_a', 1);
    expect(line()).toBe('edit 2');
    edit(104, 'm_b', 1);
    expect(line()).toBe('edit 2');
    receive(105, 'm_b');
    expect(line()).toBe('edit 1');
    store.apply(event(A, 106, 105, 'message.deleted', { mid: 'm_b' }));
    edit(107, 'm_b', 3);
    expect(line()).toBe('');
    receive(108, 'm_c');
    expect(line()).toBe('original');
  });

  test('lets no older edit replace the one that a snapshot showed', () => {
    const store = new Store();
    const view = conversationView(A, 90);
    const last = { at: 5, from: 'customer', text: 'edit 2', mid: 'm_a', edit: 2 } as const;
    store.snapshot({ part: 1, conversations: [{ ...view, last }] });
    store.apply(event(A, 101, 90, 'message.edited', { mid: 'm_a', edit: 1, text: 'edit 1' }));
    expect(store.conversation(A)?.last.text).toBe('edit 2');
    store.apply(event(A, 102, 101, 'message.edited', { mid: 'm_a', edit: 3, text: 'edit 3' }));
    expect(store.conversation(A)?.last).toEqual({ ...last, text: 'edit 3', edit: 3 });
  });

  test.each([
    { name: 'at the bound', text: 'x'.repeat(LINE_CHARS_MAX), kept: LINE_CHARS_MAX },
    { name: 'above it', text: 'x'.repeat(LINE_CHARS_MAX + 1), kept: LINE_CHARS_MAX },
    {
      name: 'with an emoji on it',
      text: `x${'😀'.repeat(LINE_CHARS_MAX)}`,
      kept: LINE_CHARS_MAX - 1,
    },
  ])('keeps the beginning of a long text in the list, $name', ({ text, kept }) => {
    const store = storeWith();
    store.apply(event(A, 101, 100, 'message.received', { mid: 'm_a', text, at: NOW + 101 }));
    expect(store.conversation(A)?.last.text).toBe(text.slice(0, kept));
    store.apply(event(A, 102, 101, 'message.edited', { mid: 'm_a', edit: 1, text: `!${text}` }));
    expect(store.conversation(A)?.last.text.length).toBeLessThanOrEqual(LINE_CHARS_MAX);
  });

  test('lets the customer wait since the oldest message, whichever came first', () => {
    const store = storeWith();
    const receive = (seq: number, at: number): void =>
      store.apply(event(A, seq, seq - 1, 'message.received', { mid: `m_${seq}`, text: 'x', at }));
    store.apply(event(A, 101, 100, 'message.outside', { mid: 'm_out', text: 'hi', at: NOW }));
    receive(102, NOW + 30);
    receive(103, NOW + 10);
    receive(104, NOW + 20);
    expect(store.conversation(A)?.waitingSince).toBe(NOW + 10);
  });

  test('remembers changes of so many messages, the newest', () => {
    const changes = new MidChanges();
    const last = (mid: string) => ({ at: 1, from: 'customer', text: 'original', mid }) as const;
    for (let i = 0; i <= MID_CHANGES_MAX; i++) {
      changes.note(event(A, 1 + i, i, 'message.deleted', { mid: `m_${i}` }));
    }
    expect(changes.size).toBe(MID_CHANGES_MAX);
    expect(changes.applied(last('m_0')).text).toBe('original');
    expect(changes.applied(last('m_1')).text).toBe('');
    expect(changes.applied(last(`m_${MID_CHANGES_MAX}`)).text).toBe('');
  });

  test('follows a desk', async () => {
    const { desk, welcome } = await openDesk();
    const store = new Store();
    const end = store.attach(desk);
    const socket = await welcome({ conversations: [conversationView(A, 90)] });
    socket.say(event(A, 101, 90));
    expect(store.conversation(A)?.unread).toBe(1);
    end();
    socket.say(event(A, 102, 101));
    expect(store.conversation(A)?.unread).toBe(1);
  });
});
