// The clerk under seeded kills: at any step the process vanishes with what was not yet durable, and another
// one starts on the journal. Meta is real enough: it counts what customers got and sends echoes, late or never.

import { expect, test } from 'vitest';
import { Outbox } from '../../../lib/desk/outbox.ts';
import type {
  AppendPort,
  DeskAppended,
  DeskJournalRecord,
  DeskNewRecord,
  PostOutcome,
  PostPort,
  ViewsPort,
} from '../../../lib/desk/ports.ts';
import { Projection } from '../../../lib/desk/projection.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { FAST, outcomes, userConversation } from './clerk-world.ts';
import { ANN, MemoryLog, MemoryViews, newRecord } from './memory-desk.ts';
import { RandomLog } from './random-log.ts';

const RUNS = 60;
const STEPS_PER_RUN = 60;
const USERS = 3;

/** One process: its ports go dead when it is killed; what it had begun may or may not have happened. */
class Process implements AppendPort, PostPort {
  isAlive = true;
  readonly projection: Projection;
  readonly outbox: Outbox;
  readonly #world: CrashWorld;

  constructor(world: CrashWorld, name: string) {
    this.#world = world;
    this.projection = new Projection({
      views: world.views,
      clock: world.clock,
      limits: { dirtyMax: 5 },
    });
    this.projection.apply(world.log.records.slice(this.projection.position));
    this.outbox = new Outbox({
      append: this,
      post: this,
      states: this.projection,
      clock: world.clock,
      split: (text) => text.split('|'),
      random: () => world.random.below(1000) / 1000,
      limits: FAST,
      sender: name,
    });
  }

  start(): void {
    this.projection.start();
    this.outbox.start();
  }

  async append(records: readonly DeskNewRecord[]): Promise<readonly DeskAppended[]> {
    await this.#world.wait(this);
    if (this.#world.random.below(12) === 0) throw new Error('disk full');
    const results = this.#world.log.commit(records);
    await this.#world.wait(this);
    return results;
  }

  async post(call: Parameters<PostPort['post']>[0]): Promise<PostOutcome> {
    await this.#world.wait(this);
    const outcome = this.#world.deliver(call.metadata, call.user);
    await this.#world.wait(this);
    return outcome;
  }
}

class CrashWorld {
  readonly clock = new ManualClock();
  readonly log = new MemoryLog();
  readonly views: ViewsPort = new MemoryViews();
  readonly random: RandomLog;
  /** Calls that reached Meta, by metadata; the tries of one part are counted apart. */
  readonly calls: string[] = [];
  /** What customers got, by metadata. */
  readonly got: string[] = [];
  #process: Process;
  #names = 0;
  #mids = 0;
  #queued = 0;

  constructor(seed: number) {
    this.random = new RandomLog(seed);
    this.log.onCommit = (records) => this.#tail(records);
    this.#process = new Process(this, 'p0');
    this.#process.start();
  }

  /** A step at which the process may be dead by the time it is over: then it never comes back from it. */
  async wait(process: Process): Promise<void> {
    for (let turns = this.random.below(3); turns > 0; turns--) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (!process.isAlive) await new Promise(() => undefined);
  }

  deliver(metadata: string, user: string): PostOutcome {
    this.calls.push(metadata);
    const dice = this.random.below(10);
    if (dice === 0) return outcomes.refused('fail');
    if (dice === 1) return outcomes.refused('retry');
    if (dice === 2) return outcomes.unknown();
    const mid = `m${this.#mids++}`;
    this.got.push(metadata);
    if (this.random.below(4) > 0) {
      this.clock.after(this.random.below(40_000), () => this.#echo(metadata, mid, user));
    }
    return dice < 5 ? outcomes.unknown() : outcomes.sent(mid);
  }

  queue(): void {
    const id = `Q${this.#queued++}`;
    const text = this.random.below(3) === 0 ? `${id}-1|${id}-2` : id;
    const data = { message: id, request: id, by: ANN, text };
    const conversation = userConversation(this.random.below(USERS));
    this.log.commit([newRecord('message.queued', data, this.clock.now(), conversation)]);
  }

  kill(): void {
    this.#process.isAlive = false;
    this.#process = new Process(this, `p${++this.#names}`);
    this.#process.start();
  }

  get outbox(): Outbox {
    return this.#process.outbox;
  }

  #echo(metadata: string, mid: string, user: string): void {
    const at = this.clock.now();
    const data = { mid, at, metadata };
    this.log.commit([newRecord('message.echo', data, at, userConversation(Number(user)))]);
  }

  #tail(records: readonly DeskJournalRecord[]): void {
    this.#process.outbox.onRecords(this.#process.projection.apply(records));
  }
}

function countOf(values: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

async function run(seed: number): Promise<CrashWorld> {
  const world = new CrashWorld(seed);
  for (let step = 0; step < STEPS_PER_RUN; step++) {
    if (world.random.below(3) === 0) world.queue();
    if (world.random.below(8) === 0) world.kill();
    await world.clock.advance(world.random.below(4) === 0 ? world.random.below(9000) : 0);
  }
  for (let turn = 0; turn < 400 && world.outbox.waiting > 0; turn++) {
    await world.clock.advance(5000);
  }
  return world;
}

function messagesOf(world: CrashWorld, ...kinds: readonly string[]): string[] {
  return kinds.flatMap((kind) => world.log.dataOf(kind).map((data) => String(data['message'])));
}

test('S36: kills at every step never make a call twice, nor lose or double a message', async () => {
  const base = Date.now() & 0x7fffffff;
  let uncertain = 0;
  for (let i = 0; i < RUNS; i++) {
    const seed = base + i;
    const world = await run(seed);
    const hint = `seed ${seed}`;
    const begun = world.log
      .dataOf('message.sending')
      .map((data) => `gw:${String(data['message'])}:${String(data['part'])}`);
    const allowed = countOf(begun);
    for (const [metadata, calls] of countOf(world.calls)) {
      expect(calls, `${hint}: calls of ${metadata}`).toBeLessThanOrEqual(
        allowed.get(metadata) ?? 0,
      );
    }
    for (const [metadata, copies] of countOf(world.got)) {
      expect(copies, `${hint}: copies of ${metadata}`).toBe(1);
    }
    const sent = countOf(messagesOf(world, 'message.sent'));
    const ended = new Set([
      ...sent.keys(),
      ...messagesOf(world, 'message.failed', 'message.uncertain'),
    ]);
    for (const times of sent.values()) expect(times, hint).toBe(1);
    expect([...ended].sort(), hint).toEqual(messagesOf(world, 'message.queued').sort());
    expect(inOrder(world), `${hint}: order`).toBe(true);
    uncertain += messagesOf(world, 'message.uncertain').length;
  }
  console.log(`seeds ${base} to ${base + RUNS - 1}, ${uncertain} uncertain`);
  expect(uncertain).toBeGreaterThan(0);
});

/** What a customer got first was asked for first: parts and messages of a conversation never overtake. */
function inOrder(world: CrashWorld): boolean {
  const conversations = new Map<string, string>();
  const place = new Map<string, number>();
  for (const record of world.log.records) {
    if (record.kind !== 'message.queued') continue;
    const id = String(JSON.parse(record.data).message);
    conversations.set(id, record.conversation);
    place.set(id, record.seq * 10);
  }
  const newest = new Map<string, number>();
  for (const metadata of world.got) {
    const [, id = '', part = '0'] = metadata.split(':');
    const conversation = conversations.get(id) ?? '';
    const at = (place.get(id) ?? 0) + Number(part);
    if (at < (newest.get(conversation) ?? 0)) return false;
    newest.set(conversation, at);
  }
  return true;
}
