// Positions, resumes, gaps and silence: that no event is missed or told twice.

import { describe, expect, test } from 'vitest';
import { Tracker } from '../../../lib/client/tracker.ts';
import {
  A,
  B,
  conversationView,
  event,
  openDesk,
  snapshotMessage,
  welcomeMessage,
} from './desk-fixture.ts';

describe('the position that a reconnect resumes from', () => {
  const rows: [string, object[], object | undefined][] = [
    ['is the seq of the snapshot', [], { epoch: 'e1', seq: 100, scope: 's1' }],
    ['is the last event', [event(A, 120, 0)], { epoch: 'e1', seq: 120, scope: 's1' }],
    [
      'is a position beyond it',
      [event(A, 120, 0), { type: 'position', seq: 5_000 }],
      { epoch: 'e1', seq: 5_000, scope: 's1' },
    ],
    [
      'never goes back',
      [event(A, 120, 0), { type: 'position', seq: 110 }],
      { epoch: 'e1', seq: 120, scope: 's1' },
    ],
  ];
  test.each(rows)('%s', async (_name, messages, since) => {
    const { clock, network, welcome } = await openDesk();
    const socket = await welcome();
    expect(socket.hello).not.toHaveProperty('since');
    for (const message of messages) socket.say(message);
    socket.drop(1006);
    await clock.advance(1_000);
    network.last.open();
    expect(network.last.hello?.['since']).toEqual(since);
    expect(network.last.hello?.['session']).toBe(socket.hello?.['session']);
  });

  test('is none before the last part of a snapshot', async () => {
    const { clock, network, settle } = await openDesk();
    const socket = network.last;
    socket.open();
    socket.say(welcomeMessage());
    socket.say(snapshotMessage([conversationView(A, 90)], 100, 1, false));
    socket.drop(1006);
    await clock.advance(1_000);
    await settle();
    network.last.open();
    expect(network.last.hello).not.toHaveProperty('since');
  });

  test('is that of the new epoch after a snapshot of it, even when lower', async () => {
    const { clock, network, welcome } = await openDesk();
    (await welcome({ seq: 9_000 })).drop(1006);
    await clock.advance(1_000);
    (await welcome({ seq: 10, epoch: 'e2', scope: 's2' })).drop(1006);
    await clock.advance(2_000);
    network.last.open();
    expect(network.last.hello?.['since']).toEqual({ epoch: 'e2', seq: 10, scope: 's2' });
  });
});

describe('events', () => {
  test('reach the listener once and in order over a resume', async () => {
    const { clock, seen, welcome } = await openDesk();
    const first = await welcome({ conversations: [conversationView(A, 90)] });
    first.say(event(A, 101, 90));
    first.say(event(B, 102, 0));
    first.drop(1006);
    await clock.advance(1_000);
    const second = await welcome({ recovered: true, seq: 110 });
    second.say(event(B, 102, 0));
    second.say(event(A, 105, 101));
    second.say(event(A, 105, 101));
    second.say({ type: 'position', seq: 110 });
    expect(seen).toEqual(['ann101', 'bob102', 'ann105']);
  });

  test('that the snapshot object includes are not told again', async () => {
    const { seen, welcome } = await openDesk();
    const socket = await welcome({ conversations: [conversationView(A, 130)] });
    socket.say(event(A, 120, 90));
    socket.say(event(A, 140, 130));
    expect(seen).toEqual(['ann140']);
  });

  test('with a hole before them make the desk start over without a position', async () => {
    const { clock, desk, network, seen, welcome } = await openDesk();
    const socket = await welcome({ conversations: [conversationView(A, 90)] });
    socket.say(event(A, 120, 110));
    expect(seen).toEqual(['gap 90<110']);
    expect(desk.state.state).toBe('waiting');
    expect(socket.closedWith).toBe(4000);
    await clock.advance(1_000);
    network.last.open();
    expect(network.last.hello).not.toHaveProperty('since');
  });

  test('of an unknown conversation have a hole if their prev is newer than the snapshot', () => {
    const tracker = new Tracker();
    tracker.welcome({ epoch: 'e', scope: 's', recovered: false });
    tracker.snapshot([], 100, true);
    expect(tracker.event(event(A, 150, 99))).toEqual({ outcome: 'new' });
    expect(tracker.event(event(B, 160, 120))).toEqual({ outcome: 'gap', after: 100, prev: 120 });
  });

  test('are still told when more conversations speak than are remembered', () => {
    const tracker = new Tracker(2);
    tracker.welcome({ epoch: 'e', scope: 's', recovered: false });
    tracker.snapshot([], 10, true);
    for (let i = 0; i < 5; i++) {
      expect(tracker.event(event(`messenger/1/u${i}`, 20 + i, 0)).outcome).toBe('new');
    }
    expect(tracker.event(event('messenger/1/u0', 40, 20)).outcome).toBe('new');
    expect(tracker.event(event('messenger/1/u4', 41, 30)).outcome).toBe('gap');
  });
});

describe('silence', () => {
  test('of twice the heartbeat ends the connection, anything said puts it off', async () => {
    const { clock, desk, network, welcome } = await openDesk();
    const socket = await welcome();
    await clock.advance(30_000);
    socket.say({ type: 'position', seq: 100 });
    await clock.advance(49_999);
    expect(desk.state.state).toBe('online');
    await clock.advance(1);
    expect(desk.state.state).toBe('waiting');
    await clock.advance(1_000);
    expect(network.sockets).toHaveLength(2);
  });
});

describe('what makes no sense', () => {
  test('is ignored: binary, not JSON, no type, unknown types and fields', async () => {
    const { desk, seen, welcome } = await openDesk();
    const socket = await welcome();
    for (const raw of [new ArrayBuffer(4), '{', 'null', '7', '{"a":1}', '{"type":"later"}']) {
      socket.sayRaw(raw);
    }
    socket.say({ ...event(A, 101, 0), shiny: true });
    expect(seen).toEqual(['ann101']);
    expect(desk.state.state).toBe('online');
  });
});
