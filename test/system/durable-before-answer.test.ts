// What kill -9 cannot show: the flush that covers an event comes before its 200, and before any agent
// sees it. Proven from the order of the gateway's own system calls, one by one: which connection a marker
// came in on says which event the next answer on that connection vouches for.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { GatewayProcess, textBody } from '../support/gateway-process.ts';
import { joinLightly } from '../support/light-agents.ts';
import { FaultyDisk } from '../support/preload.ts';

const MARK = 'dur-mark-';
const POSTS_ALONE = 60;
const POSTS_TOGETHER = 400;
const LANES = 16;

const disposals: (() => Promise<void> | void)[] = [];
afterAll(async () => {
  for (const dispose of disposals.reverse()) await dispose();
});

interface Judgement {
  /** Answers 200 whose event is known. */
  readonly answers: number;
  /** Frames with events that left for agents. */
  readonly frames: number;
  readonly flushes: number;
  /** Markers that were vouched for, or shown, before their flush; and answers that belong to nothing. */
  readonly tooEarly: readonly string[];
}

/** Walks through the calls: recv -> write to the log -> flush of that file -> answer. */
function judge(calls: readonly string[]): Judgement {
  const asked = new Map<string, string[]>();
  const written = new Map<string, Set<string>>();
  const flushed = new Set<string>();
  const tooEarly: string[] = [];
  let [answers, frames, flushes] = [0, 0, 0];
  for (const call of calls) {
    const [name, target = ''] = call.split(' ', 2);
    const markers = [...new Set(call.match(/\bdur-mark-\d+\b/g) ?? [])];
    const isLog = /\/log\.db(-wal)?$/.test(target);
    if (name === 'recv') {
      asked.set(target, [...(asked.get(target) ?? []), ...markers]);
    } else if (name === 'write' && isLog) {
      const waiting = written.get(target) ?? new Set();
      for (const marker of markers) waiting.add(marker);
      written.set(target, waiting);
    } else if (name === 'fsync' && isLog && call.endsWith(' 0')) {
      flushes += 1;
      for (const marker of written.get(target) ?? []) flushed.add(marker);
      written.delete(target);
    } else if (name === 'send' && call.includes('"HTTP/1.1 200')) {
      const vouched = asked.get(target) ?? [];
      asked.delete(target);
      if (vouched.length === 0) tooEarly.push(`an answer on ${target} to nothing`);
      else answers += 1;
      tooEarly.push(...vouched.filter((marker) => !flushed.has(marker)));
    } else if (name === 'send' && markers.length > 0) {
      frames += markers.length;
      tooEarly.push(...markers.filter((marker) => !flushed.has(marker)));
    }
  }
  return { answers, frames, flushes, tooEarly };
}

async function recordedRun(): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-order-'));
  disposals.push(() => rmSync(folder, { recursive: true, force: true }));
  const disk = new FaultyDisk(folder, MARK);
  const gateway = await GatewayProcess.create({ env: disk.env });
  disposals.push(() => gateway.dispose());
  await gateway.start();
  const agent = await joinLightly(gateway, 'ann');
  disposals.push(() => agent.socket.terminate());
  let next = 0;
  const postNext = async (): Promise<void> => {
    const n = next++;
    const body = textBody(`m_${n}`, String(7_000 + (n % 9)), `${MARK}${n}`);
    expect(await gateway.post(body)).toBe(200);
  };
  while (next < POSTS_ALONE) await postNext();
  const lane = async (): Promise<void> => {
    while (next < POSTS_ALONE + POSTS_TOGETHER) await postNext();
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  await gateway.kill('SIGTERM');
  return disk.calls();
}

describe('the order of system calls', () => {
  test('has the flush of every event before its answer, and before any agent sees it', async () => {
    const { answers, frames, flushes, tooEarly } = judge(await recordedRun());
    console.log(`${answers} answers, ${frames} frames, ${flushes} flushes of the log`);
    expect(tooEarly).toEqual([]);
    expect(answers).toBe(POSTS_ALONE + POSTS_TOGETHER);
    expect(frames).toBeGreaterThanOrEqual(POSTS_ALONE + POSTS_TOGETHER);
    // Alone: a flush each. Together: shared, or the lanes did not overlap and prove nothing.
    expect(flushes).toBeGreaterThanOrEqual(POSTS_ALONE);
    expect(flushes).toBeLessThan(POSTS_ALONE + POSTS_TOGETHER);
  });

  const recv = 'recv 7 dur-mark-1';
  const write = 'write /x/log.db-wal dur-mark-1 dur-mark-1';
  const flush = 'fsync /x/log.db-wal 0';
  const answer = 'send 7 "HTTP/1.1 200 OK"';
  const frame = 'send 9 "...{" dur-mark-1';

  test('is judged by a check that accepts the right order', () => {
    const judged = judge([recv, write, flush, answer, frame]);
    expect(judged).toEqual({ answers: 1, frames: 1, flushes: 1, tooEarly: [] });
  });

  test.each([
    ['an answer before the flush', [recv, write, answer, flush]],
    ['a flush before the write', [recv, flush, write, answer]],
    ['no flush', [recv, write, answer]],
    ['a flush that failed', [recv, write, 'fsync /x/log.db-wal -1', answer]],
    ['a flush of another file', [recv, write, 'fsync /x/views.db-wal 0', answer]],
    ['an agent that sees it early', [recv, write, frame, flush, answer]],
    ['two events of which one is not flushed', [`${recv} dur-mark-2`, write, flush, answer]],
    ['an answer on another connection', [recv, write, flush, 'send 8 "HTTP/1.1 200 OK"']],
  ])('and that notices %s', (_name, calls) => {
    expect(judge(calls).tooEarly).not.toEqual([]);
  });
});
