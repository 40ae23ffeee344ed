// The journal on a faulty disk, in processes of its own: full, read-only, broken, slow, and killed at any time.
// Children run the compiled code of dist/ under the shim of test/support/preload.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openJournal } from '../../lib/journal/open.ts';
import { compilePreload, ERRNO, type Faults, FaultyDisk } from '../support/preload.ts';

const CHILD = fileURLToPath(new URL('../support/children/journal-writer.mjs', import.meta.url));
const EXIT_FATAL = 70;
const KILLS = 6;

interface Answer {
  readonly id: number;
  readonly result: unknown;
}

interface Outcome {
  readonly status: string;
  readonly seq?: number;
}

/** A child that owns the journal of a folder and does what it is told. */
class Writer {
  readonly process: ChildProcess;
  readonly disk: FaultyDisk;
  #lastId = 0;

  private constructor(child: ChildProcess, disk: FaultyDisk) {
    this.process = child;
    this.disk = disk;
  }

  static async start(directory: string, scratch: string): Promise<Writer> {
    const disk = new FaultyDisk(scratch);
    const child = fork(CHILD, [directory, 'command'], {
      env: { ...process.env, ...disk.env },
      execArgv: [],
    });
    await once(child, 'message');
    return new Writer(child, disk);
  }

  async ask(command: string, parameters: Readonly<Record<string, number>> = {}): Promise<unknown> {
    const id = ++this.#lastId;
    const answer = once(this.process, 'message');
    this.process.send({ id, command, ...parameters });
    const [message] = (await answer) as [Answer];
    expect(message.id).toBe(id);
    return message.result;
  }

  async append(from: number, count = 1): Promise<readonly Outcome[]> {
    return (await this.ask('append', { from, count })) as Outcome[];
  }

  async end(): Promise<void> {
    const ended = once(this.process, 'exit');
    this.process.send({ id: 0, command: 'end' });
    expect(await ended).toEqual([0, null]);
  }
}

let root: string;
let directory: string;
let scratch: string;
let running: ChildProcess | undefined;

beforeAll(() => {
  compilePreload();
});

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'journal-faults-'));
  directory = join(root, 'data');
  scratch = join(root, 'scratch');
  mkdirSync(scratch);
  running = undefined;
});

afterEach(async () => {
  if (running !== undefined && running.exitCode === null && running.signalCode === null) {
    const ended = once(running, 'exit');
    running.kill('SIGKILL');
    await ended;
  }
  rmSync(root, { recursive: true, force: true });
});

async function startWriter(): Promise<Writer> {
  const writer = await Writer.start(directory, scratch);
  running = writer.process;
  return writer;
}

/** All markers of the log in its order, read by this process. */
async function storedMarks(): Promise<string[]> {
  const { journal, views } = await openJournal({ directory });
  const marks = journal
    .read(1, journal.head)
    .map((record) => (JSON.parse(record.data) as { a: string }).a);
  expect(marks).toHaveLength(journal.head);
  await journal.close();
  await views.close();
  return marks;
}

function isRefused(outcome: Outcome): boolean {
  return outcome.status === 'ERR_JOURNAL_UNAVAILABLE';
}

const refusing: { name: string; faults: Faults }[] = [
  { name: 'a full disk', faults: { write: { errno: ERRNO.ENOSPC, path: 'log.db' } } },
  { name: 'a disk turned read-only', faults: { write: { errno: ERRNO.EROFS, path: 'log.db' } } },
];

describe('a disk that refuses writes', () => {
  test.each(refusing)('$name: refused, then stored when it takes them again', async (given) => {
    const writer = await startWriter();
    expect(await writer.append(1)).toMatchObject([{ status: 'appended', seq: 1 }]);

    writer.disk.set(given.faults);
    for (let attempt = 0; attempt < 5; attempt++) {
      const refused = await writer.append(2, 3);
      expect(refused).toEqual(Array(3).fill({ status: 'ERR_JOURNAL_UNAVAILABLE' }));
    }
    expect(await writer.ask('head')).toBe(1);

    writer.disk.set({});
    // The pause may end between two of them: each is stored once, in whatever order.
    let outcomes = await writer.append(2, 3);
    for (const end = performance.now() + 5_000; outcomes.some(isRefused); ) {
      expect(performance.now()).toBeLessThan(end);
      outcomes = await writer.append(2, 3);
    }
    expect(outcomes.map((outcome) => outcome.seq ?? 0).sort()).toEqual([2, 3, 4]);
    expect(await writer.append(1, 4)).toMatchObject(Array(4).fill({ status: 'duplicate' }));
    await writer.end();
    expect((await storedMarks()).sort()).toEqual(['mark1', 'mark2', 'mark3', 'mark4']);
  });
});

describe('a disk that refused and is asked for nothing more', () => {
  test.each(refusing)('$name: told as unavailable, and found sound by itself', async (given) => {
    const writer = await startWriter();
    await writer.append(1);
    expect(await writer.ask('available')).toBe(true);
    writer.disk.set(given.faults);
    expect(await writer.append(2)).toEqual([{ status: 'ERR_JOURNAL_UNAVAILABLE' }]);
    expect(await writer.ask('available')).toBe(false);
    writer.disk.set({});
    for (const end = performance.now() + 5_000; (await writer.ask('available')) !== true; ) {
      expect(performance.now()).toBeLessThan(end);
    }
    expect(await writer.append(2)).toMatchObject([{ status: 'appended', seq: 2 }]);
    await writer.end();
    expect(await storedMarks()).toEqual(['mark1', 'mark2']);
  });
});

describe('a disk that fails to flush', () => {
  test('ends the process; the next one replays and stores each record once', async () => {
    const writer = await startWriter();
    await writer.append(1, 5);
    writer.disk.set({ fsync: { errno: ERRNO.EIO, path: 'log.db-wal' } });
    const ended = once(writer.process, 'exit');
    expect(await writer.append(6, 2)).toEqual(Array(2).fill({ status: 'ERR_JOURNAL_FATAL' }));
    expect(await ended).toEqual([EXIT_FATAL, null]);

    const next = await startWriter();
    await next.append(1, 8);
    await next.end();
    const marks = await storedMarks();
    expect([...marks].sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((n) => `mark${n}`));
  });
});

/** Acknowledged markers of a run of the streaming child, until it is killed after `count` of them. */
async function streamUntilKilled(from: number, count: number): Promise<string[]> {
  const child = fork(CHILD, [directory, 'stream', String(from)], { silent: true, execArgv: [] });
  running = child;
  const acknowledged: string[] = [];
  const ended = once(child, 'exit');
  if (child.stdout === null) throw new Error('The child has no output.');
  for await (const line of createInterface({ input: child.stdout })) {
    const [, marker = '', status] = line.split(' ');
    expect(status).toMatch(/^(?:appended|duplicate)$/);
    acknowledged.push(marker);
    if (acknowledged.length === count) child.kill('SIGKILL');
  }
  expect(await ended).toEqual([null, 'SIGKILL']);
  return acknowledged;
}

describe('kill -9', () => {
  test(`keeps every acknowledged record, once, over ${KILLS} kills under load`, async () => {
    const acknowledged = new Set<string>();
    for (let round = 0; round < KILLS; round++) {
      // Overlaps with the run before: what was stored but not acknowledged is sent again.
      const from = Math.max(1, acknowledged.size - 50);
      const lines = await streamUntilKilled(from, 200 + round * 137);
      for (const marker of lines) acknowledged.add(marker);
      const marks = await storedMarks();
      expect(new Set(marks).size).toBe(marks.length);
      const held = new Set(marks);
      expect([...acknowledged].filter((marker) => !held.has(marker))).toEqual([]);
    }
  });

  test('frees the folder for the next process, which is refused before', async () => {
    const writer = await startWriter();
    await expect(openJournal({ directory })).rejects.toMatchObject({
      code: 'ERR_JOURNAL_UNAVAILABLE',
      message: expect.stringContaining('Another process'),
    });
    const ended = once(writer.process, 'exit');
    writer.process.kill('SIGKILL');
    await ended;
    expect(await storedMarks()).toEqual([]);
  });
});

/** Checks the order of calls: each acknowledged marker was written to the log and flushed before it was sent. */
function unflushedSends(calls: readonly string[]): { sends: number; tooEarly: string[] } {
  const written = new Set<string>();
  const flushed = new Set<string>();
  const tooEarly: string[] = [];
  let sends = 0;
  for (const call of calls) {
    const markers = call.match(/\bmark[0-9]+\b/g) ?? [];
    if (call.startsWith('write ') && call.includes('/log.db-wal')) {
      for (const marker of markers) written.add(marker);
    } else if (/^fsync \S*\/log\.db-wal 0$/.test(call)) {
      for (const marker of written) flushed.add(marker);
      written.clear();
    } else if (call.startsWith('send ') && call.includes('"ack ')) {
      sends++;
      tooEarly.push(...new Set(markers.filter((marker) => !flushed.has(marker))));
    }
  }
  return { sends, tooEarly };
}

describe('the order of system calls', () => {
  test('has the flush of the log before each acknowledgement that it covers', async () => {
    const disk = new FaultyDisk(scratch, 'mark');
    const env = { ...process.env, ...disk.env };
    const child = fork(CHILD, [directory, 'stream', '1'], { silent: true, execArgv: [], env });
    running = child;
    const ended = once(child, 'exit');
    let lines = 0;
    child.stdout?.on('data', (chunk: Buffer) => {
      lines += chunk.toString().split('\n').length - 1;
      if (lines >= 500) child.kill('SIGKILL');
    });
    await ended;
    const { sends, tooEarly } = unflushedSends(disk.calls());
    expect(sends).toBeGreaterThanOrEqual(500);
    expect(tooEarly).toEqual([]);
  });

  test('is judged by a check that notices a missing flush', () => {
    const write = 'write /x/log.db-wal mark1 mark1';
    const send = 'send 1 "ack mark1" mark1';
    const flush = 'fsync /x/log.db-wal 0';
    expect(unflushedSends([write, flush, send])).toEqual({ sends: 1, tooEarly: [] });
    for (const calls of [
      [write, send, flush],
      [flush, write, send],
      [send],
      [write, 'fsync /x/log.db-wal -1', send],
      [write, 'fsync /x/views.db-wal 0', send],
    ]) {
      expect(unflushedSends(calls).tooEarly).toEqual(['mark1']);
    }
  });
});

describe('a slow disk', () => {
  test('is shared by all records of a tick', async () => {
    const writer = await startWriter();
    writer.disk.set({ fsyncDelayMs: 50 });
    const startedMs = performance.now();
    const outcomes = await writer.append(1, 200);
    const tookMs = performance.now() - startedMs;
    expect(outcomes.every((outcome) => outcome.status === 'appended')).toBe(true);
    // One flush for 200 records, and perhaps one for a new file: far from 200 flushes.
    expect(tookMs).toBeGreaterThanOrEqual(50);
    expect(tookMs).toBeLessThan(50 * 20);
    writer.disk.set({});
    await writer.end();
  });
});
