import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { type Agent, type Json, Rig } from './gateway-rig.ts';

let rig: Rig;
afterEach(() => rig.stop());

/** Stops and starts the reading of an agent's TCP socket: its receive buffer fills, then the gateway's queue. */
function rawOf(agent: Agent): Socket {
  return (agent.socket as unknown as { _socket: Socket })._socket;
}

const seqs = (agent: Agent): number[] => agent.events.map((event) => event['seq'] as number);

async function receiveMany(count: number, textChars: number): Promise<void> {
  const text = 'x'.repeat(textChars);
  for (let done = 0; done < count; done += 50) await rig.receive(Array(50).fill(text));
}

describe('a session on a slow line', () => {
  test('catches up without loss or doubling, while others are not held up', async () => {
    rig = await Rig.start({ limits: { queueBytes: 65_536 } });
    const slow = await rig.join();
    const quick = await rig.join({ id: 'bob' });
    rawOf(slow).pause();
    await receiveMany(2_000, 8_000);
    await until('all at the quick one', () => quick.events.length === 2_000);
    expect(rig.gateway?.stats().sessionsSlow).toBeGreaterThan(0);
    rawOf(slow).resume();
    await until('all at the slow one', () => seqs(slow).length >= 2_000);
    await receiveMany(50, 10);
    await until('live again', () => seqs(slow).length >= 2_050);
    expect(new Set(seqs(slow)).size).toBe(2_050);
    expect(seqs(slow)).toEqual([...seqs(slow)].sort((a, b) => a - b));
    const prevs = slow.events.map((event) => event['prev']);
    expect(prevs).toEqual([0, ...seqs(slow).slice(0, -1)]);
  });

  test('gets replies and events although it stops again and again', async () => {
    rig = await Rig.start({ limits: { queueBytes: 65_536 } });
    const slow = await rig.join();
    const replies: Promise<Json>[] = [];
    for (let round = 0; round < 5; round++) {
      rawOf(slow).pause();
      await receiveMany(300, 8_000);
      replies.push(slow.ask({ type: 'list', state: 'open' }));
      rawOf(slow).resume();
      await until('this round', () => slow.events.length >= 300 * (round + 1));
    }
    expect((await Promise.all(replies)).every((reply) => reply['ok'] === true)).toBe(true);
    expect(new Set(seqs(slow)).size).toBe(1_500);
  });
});

describe('a supervisor with 5,000 open conversations', () => {
  async function fill(): Promise<void> {
    const text = 'hello '.repeat(20);
    for (let start = 0; start < 5_000; start += 250) {
      const messaging = Array.from({ length: 250 }, (_, index) => ({
        sender: { id: String(10_000 + start + index) },
        recipient: { id: '100' },
        timestamp: Date.now(),
        message: { mid: `m_${start + index}`, text },
      }));
      await rig.postEvents('100', messaging);
    }
  }

  test('gets the newest in bounded parts, the rest by list, over a slow line', async () => {
    rig = await Rig.start({ limits: { queueBytes: 65_536 }, agents: { snapshotMax: 5_000 } });
    await fill();
    const sue = await rig.connect({ id: 'sue', role: 'supervisor', pages: ['*'] });
    rawOf(sue).pause();
    sue.say({ type: 'hello', id: 'h', session: 's' });
    await until('the session', () => rig.gateway?.stats().sessions === 1);
    await rig.receive(['meanwhile'], { user: '10000' });
    rawOf(sue).resume();
    await sue.next((message) => message['type'] === 'position');
    const parts = sue.ofType('snapshot') as { conversations: Json[]; last: boolean; seq: number }[];
    expect(parts.length).toBe(100);
    expect(parts.map((part) => part.conversations.length)).toEqual(Array(100).fill(50));
    expect(parts.map((part) => part.last)).toEqual([...Array(99).fill(false), true]);
    const names = new Set(
      parts.flatMap((part) => part.conversations.map((c) => c['conversation'])),
    );
    expect(names.size).toBe(5_000);
    expect(new Set(parts.map((part) => part.seq)).size).toBe(1);
    expect(sue.texts).toContain('meanwhile');
  });

  test('gets snapshotMax of them, and finds the others in the list', async () => {
    rig = await Rig.start();
    await fill();
    const sue = await rig.join({ id: 'sue', role: 'supervisor', pages: ['*'] });
    const shown = sue.ofType('snapshot').flatMap((part) => part['conversations'] as Json[]);
    expect(shown.length).toBe(500);
    const names = new Set<unknown>();
    let cursor: unknown;
    do {
      const reply = await sue.ask({ type: 'list', state: 'open', limit: 100, cursor });
      const data = reply['data'] as { conversations: Json[]; cursor?: string };
      for (const one of data.conversations) names.add(one['conversation']);
      cursor = data.cursor;
    } while (cursor !== undefined);
    expect(names.size).toBe(5_000);
    expect(shown.every((one) => names.has(one['conversation']))).toBe(true);
  });
});

test('a resume far behind is replayed whole, and not at all beyond replayMax', async () => {
  rig = await Rig.start({ agents: { replayMax: 1_000 } });
  const first = await rig.join();
  const { epoch } = first.messages[0] ?? {};
  await receiveMany(1_000, 10);
  await until('all', () => first.events.length === 1_000);
  const within = await rig.join({}, { since: { epoch, seq: 0 } });
  expect(seqs(within)).toEqual(seqs(first));
  await rig.receive(['one more']);
  const beyond = await rig.join({}, { since: { epoch, seq: 0 } });
  expect(beyond.messages[0]).toMatchObject({ recovered: false });
  expect(beyond.events).toEqual([]);
});

test('a connection that says nothing is counted, and forgotten when it ends', async () => {
  rig = await Rig.start();
  const { port } = new URL(rig.url);
  const socket = connect(Number(port), '127.0.0.1');
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => socket.on('connect', resolve));
  await until('the connection', () => rig.gateway?.stats().connections === 1);
  socket.destroy();
  await until('its end', () => rig.gateway?.stats().connections === 0);
});
