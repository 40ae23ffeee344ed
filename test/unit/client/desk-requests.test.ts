// Requests: ids, replies, repeats after a reconnect, bounds and ends.

import { describe, expect, test } from 'vitest';
import { takeSession, uuid } from '../../../lib/client/identity.ts';
import { DeskError, REQUESTS_MAX } from '../../../lib/client/requests.ts';
import { SEEN_MARKS_MAX, SeenMarks } from '../../../lib/client/seen-marks.ts';
import { sessionUrlOf, socketUrlOf } from '../../../lib/client/session-probe.ts';
import { TYPING_KEPT_MAX, TypingNotes } from '../../../lib/client/typing-notes.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { A, B, openDesk } from './desk-fixture.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'ok',
    (err: unknown) => (err instanceof DeskError ? `${err.code}:${err.isUnconfirmed}` : 'other'),
  );
}

describe('a send', () => {
  test('carries a UUID and resolves with the first answer', async () => {
    const { desk, welcome } = await openDesk();
    const socket = await welcome();
    const sent = desk.send(A, { text: 'hello' }, { seen: 99 });
    const [request] = socket.requests;
    expect(request).toEqual({
      type: 'send',
      id: expect.stringMatching(UUID),
      conversation: A,
      message: { text: 'hello' },
      seen: 99,
    });
    socket.say({ type: 'reply', id: request?.['id'], ok: true, data: { message: 'x', seq: 101 } });
    expect(await sent).toEqual({ message: 'x', seq: 101 });
  });

  test('rejects with the code and data of the refusal', async () => {
    const { desk, welcome } = await openDesk();
    const socket = await welcome();
    const sent = desk.send(A, { text: 'hello' }, { id: 'my-id' });
    const error = { code: 'stale', message: 'newer', retryable: false, data: { seq: 120 } };
    socket.say({ type: 'reply', id: 'my-id', ok: false, error });
    await expect(sent).rejects.toMatchObject({ ...error, isUnconfirmed: false });
  });

  test('waits for a connection and goes out after the welcome', async () => {
    const { desk, network, welcome } = await openDesk();
    void desk.send(A, { text: 'early' }, { id: 'one' });
    network.last.open();
    expect(network.last.requests).toEqual([]);
    expect((await welcome()).requests.map((request) => request['id'])).toEqual(['one']);
  });

  test('without an answer is repeated with its id, in order, once per connection', async () => {
    const { desk, clock, welcome } = await openDesk();
    const first = await welcome();
    const texts = ['one', 'two', 'three'];
    const sends = texts.map((text) => desk.send(A, { text }, { id: text }));
    first.say({ type: 'reply', id: 'two', ok: true, data: { message: 'm2', seq: 2 } });
    first.drop(1006);
    await clock.advance(1_000);
    const second = await welcome({ recovered: true });
    expect(second.requests.map((request) => request['id'])).toEqual(['one', 'three']);
    for (const id of ['one', 'three']) {
      second.say({ type: 'reply', id, ok: true, data: { message: id, seq: 3, duplicate: true } });
    }
    expect((await Promise.all(sends)).map((sent) => sent.message)).toEqual(['one', 'm2', 'three']);
  });

  test('on a connection that was closed as faulty is given up as unconfirmed', async () => {
    const { desk, clock, welcome } = await openDesk();
    const first = await welcome();
    const lost = codeOf(desk.send(A, { text: 'x' }, { id: 'faulty' }));
    first.drop(1009);
    const later = desk.send(A, { text: 'y' }, { id: 'later' });
    expect(await lost).toBe('unconfirmed:true');
    await clock.advance(6_000);
    const second = await welcome({ recovered: true });
    expect(second.requests.map((request) => request['id'])).toEqual(['later']);
    second.say({ type: 'reply', id: 'later', ok: true, data: { message: 'l', seq: 1 } });
    await later;
  });

  test('times out after ten minutes; a question after one', async () => {
    const { desk, clock, welcome } = await openDesk();
    const socket = await welcome();
    const beat = async (ms: number): Promise<void> => {
      for (let left = ms; left > 0; left -= 30_000) {
        await clock.advance(Math.min(left, 30_000));
        socket.say({ type: 'position', seq: 100 });
      }
    };
    const sent = codeOf(desk.send(A, { text: 'x' }));
    const listed = codeOf(desk.list({ state: 'all' }));
    await beat(60_000);
    expect(await listed).toBe('timeout:true');
    await beat(540_000);
    expect(await sent).toBe('timeout:true');
  });

  test('with an id that still waits is refused; so is one too many', async () => {
    const { desk } = await openDesk();
    const waiting = Array.from({ length: REQUESTS_MAX }, (_, i) =>
      codeOf(desk.send(A, { text: 'x' }, { id: `id-${i}` })),
    );
    expect(await codeOf(desk.send(A, { text: 'x' }, { id: 'id-7' }))).toBe('id_reused:false');
    expect(await codeOf(desk.send(A, { text: 'x' }))).toBe('busy:false');
    desk.close();
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['stopped:false']));
    expect(await codeOf(desk.send(A, { text: 'x' }))).toBe('stopped:false');
  });
});

describe('the other requests', () => {
  test('are written as the protocol has them', async () => {
    const { desk, welcome } = await openDesk();
    const socket = await welcome();
    for (const promise of [
      desk.resolve('out-1', 'resend'),
      desk.seen(A, 101),
      desk.list({ state: 'open', limit: 20, cursor: 'c' }),
      desk.history(A, { before: 50 }),
    ]) {
      void codeOf(promise);
    }
    expect(socket.requests.map(({ id: _id, ...rest }) => rest)).toEqual([
      { type: 'resolve', message: 'out-1', action: 'resend' },
      { type: 'seen', conversation: A, seq: 101 },
      { type: 'list', state: 'open', limit: 20, cursor: 'c' },
      { type: 'history', conversation: A, before: 50 },
    ]);
  });

  test('seen is sent only when the mark moves forward', async () => {
    const { desk, welcome } = await openDesk();
    const socket = await welcome();
    for (const seq of [10, 10, 9, 12]) void codeOf(desk.seen(A, seq));
    void codeOf(desk.seen(B, 5));
    expect(socket.requests.map((request) => request['seq'])).toEqual([10, 12, 5]);
  });

  test('seen starts again with another journal, and after a mark that did not arrive', async () => {
    const { desk, clock, welcome } = await openDesk();
    const first = await welcome();
    const refused = codeOf(desk.seen(A, 90));
    const id = first.requests[0]?.['id'];
    const error = { code: 'unavailable', message: 'later', retryable: true };
    first.say({ type: 'reply', id, ok: false, error });
    expect(await refused).toBe('unavailable:false');
    const again = desk.seen(A, 90);
    first.say({ type: 'reply', id: first.requests[1]?.['id'], ok: true, data: {} });
    await again;
    first.drop(1006);
    await clock.advance(1_000);
    const second = await welcome({ epoch: 'e2', seq: 5 });
    void codeOf(desk.seen(A, 3));
    expect(second.requests).toMatchObject([{ type: 'seen', seq: 3 }]);
  });

  test('typing is noted at the first key, every ten seconds, and at the end', async () => {
    const { desk, clock, welcome } = await openDesk();
    desk.typing(A, true);
    const socket = await welcome();
    for (let i = 0; i < 12; i++) {
      desk.typing(A, true);
      await clock.advance(1_000);
    }
    desk.typing(A, false);
    desk.typing(A, false);
    expect(socket.requests.map((note) => note['on'])).toEqual([true, true, false]);
  });

  test('close ends the connection with 1000 and leaves no timer behind', async () => {
    const { desk, clock, welcome } = await openDesk();
    const socket = await welcome();
    void codeOf(desk.list({ state: 'all' }));
    desk.close();
    expect(socket.closedWith).toBe(1000);
    expect(desk.state).toEqual({ state: 'stopped', attempt: 0, reason: 'closed' });
    expect(clock.timerCount).toBe(0);
  });

  test('reconnect leaves stopped again, as after another tab took the session', async () => {
    const { desk, settle, network, welcome } = await openDesk();
    (await welcome()).drop(4409);
    desk.reconnect();
    await settle();
    expect(network.sockets).toHaveLength(2);
    expect(desk.state.state).toBe('connecting');
  });
});

describe('bounds', () => {
  test('of remembered read marks: beyond them one may be sent twice', () => {
    const marks = new SeenMarks();
    for (let i = 0; i < SEEN_MARKS_MAX; i++) expect(marks.isNews(`c${i}`, 1)).toBe(true);
    expect(marks.isNews('c0', 1)).toBe(false);
    expect(marks.isNews('one more', 1)).toBe(true);
    expect(marks.isNews('c0', 1)).toBe(true);
  });

  test('of remembered typing notes: beyond them the oldest is noted again', () => {
    const notes = new TypingNotes(new ManualClock());
    for (let i = 0; i <= TYPING_KEPT_MAX; i++) expect(notes.isDue(`c${i}`, true)).toBe(true);
    expect(notes.isDue('c1', true)).toBe(false);
    expect(notes.isDue('c0', true)).toBe(true);
  });
});

describe('names', () => {
  test('uuid draws version 4', () => {
    for (let i = 0; i < 100; i++) expect(uuid()).toMatch(UUID);
  });

  test('the session leaves the storage while the page lives and goes back when it is left', () => {
    const held = new Map<string, string>();
    const storage = {
      getItem: (key: string) => held.get(key) ?? null,
      setItem: (key: string, value: string) => void held.set(key, value),
      removeItem: (key: string) => void held.delete(key),
    };
    const listeners = new Map<string, () => void>();
    const page = {
      addEventListener: (name: string, listener: () => void) => void listeners.set(name, listener),
    };
    const session = takeSession(storage, page);
    expect(takeSession(storage, page)).not.toBe(session);
    held.clear();
    const mine = takeSession(storage, page);
    listeners.get('pagehide')?.();
    expect(takeSession(storage, page)).toBe(mine);
    expect(takeSession(storage, {})).toMatch(UUID);
  });

  test('urls of the socket and of the session follow from one another', () => {
    expect(socketUrlOf('https://a.example/agent')).toBe('wss://a.example/agent');
    expect(socketUrlOf('ws://a.example:8080/agent')).toBe('ws://a.example:8080/agent');
    expect(sessionUrlOf('wss://a.example/agent')).toBe('https://a.example/api/v1/session');
    expect(sessionUrlOf('http://a.example:1/x')).toBe('http://a.example:1/api/v1/session');
  });
});
