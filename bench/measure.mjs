// How we measure: server CPU-seconds from /proc, two servers in alternating slices (A B B A), the
// median of the paired ratios with a 95 % bootstrap interval. Seeds are fixed, so that the same
// samples give the same interval.

import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as rest } from 'node:timers/promises';

const ANSWER_MS_MAX = 60_000;
const PUT_OFF_MS = 30;

/** CPU-seconds that all threads of these processes have used so far. */
export function cpuSeconds(pids) {
  let nanoseconds = 0n;
  for (const pid of pids) {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8');
      nanoseconds += BigInt(text.split(' ', 1)[0]);
    }
  }
  return Number(nanoseconds) / 1e9;
}

/** Whatever ends this process ends its children, too. */
const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

/** A child process that prints lines of JSON. */
export class LineProcess {
  #lines = [];
  #waiting = [];
  #ended;

  constructor(command, args, options = {}) {
    this.child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, NODE_ENV: 'production', ...options.env },
    });
    this.pid = this.child.pid;
    running.add(this.child);
    this.child.on('exit', () => running.delete(this.child));
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      if (!line.startsWith('{')) return;
      const waiter = this.#waiting.shift();
      if (waiter === undefined) this.#lines.push(line);
      else waiter.resolve(JSON.parse(line));
    });
    this.child.on('exit', (code) => {
      this.#ended = new Error(`${command} ${args[0] ?? ''} ended with ${code}`);
      for (const waiter of this.#waiting.splice(0)) waiter.reject(this.#ended);
    });
  }

  next() {
    const line = this.#lines.shift();
    if (line !== undefined) return Promise.resolve(JSON.parse(line));
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no line in time')), ANSWER_MS_MAX);
      const settle = (act) => (value) => {
        clearTimeout(timer);
        act(value);
      };
      this.#waiting.push({ resolve: settle(resolve), reject: settle(reject) });
    });
  }

  /** The lines that came and that nobody waited for. */
  taken() {
    return this.#lines.splice(0).map((line) => JSON.parse(line));
  }

  /** The next line that has this member: a server may log before it says its port. */
  async nextWith(member) {
    for (;;) {
      const line = await this.next();
      if (line[member] !== undefined) return line;
    }
  }

  run(ms) {
    return this.command(`run ${ms}`);
  }

  /** Sends a line, and waits for the line that answers it. */
  command(line) {
    this.child.stdin.write(`${line}\n`);
    return this.next();
  }

  async stop() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await gone;
  }
}

function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** 95 % percentile bootstrap of the median. */
export function interval(values, rounds = 4000, seed = 20261123) {
  const next = random(seed);
  const medians = [];
  for (let round = 0; round < rounds; round++) {
    medians.push(median(values.map(() => values[Math.floor(next() * values.length)])));
  }
  medians.sort((a, b) => a - b);
  return [medians[Math.floor(rounds * 0.025)], medians[Math.ceil(rounds * 0.975) - 1]];
}

/** One slice: messages per CPU-second of the server, and per wall second. */
async function slice(side, unit, ms) {
  const before = cpuSeconds(side.pids);
  const result = await side.load.run(ms);
  // What a server has put off, closing connections for instance, is part of its work.
  await rest(PUT_OFF_MS);
  const cpu = cpuSeconds(side.pids) - before;
  return { perCpu: result[unit] / cpu, perSecond: result[unit] / result.seconds, busy: cpu / result.seconds };
}

/**
 * Measures A against B in A B B A order.
 * @param a {name, pids, load} and the same for b
 * @param options pairs (at least 20), sliceMs, unit ('messages' | 'posts' | 'deliveries')
 */
export async function compare(a, b, { pairs = 20, sliceMs = 1000, unit = 'messages', warmups = 2 } = {}) {
  for (let i = 0; i < warmups; i++) {
    await a.load.run(sliceMs);
    await b.load.run(sliceMs);
  }
  const samples = { a: [], b: [] };
  const ratios = [];
  for (let i = 0; i < pairs; i++) {
    const isAFirst = i % 2 === 0;
    const first = await slice(isAFirst ? a : b, unit, sliceMs);
    const second = await slice(isAFirst ? b : a, unit, sliceMs);
    const [ofA, ofB] = isAFirst ? [first, second] : [second, first];
    samples.a.push(ofA);
    samples.b.push(ofB);
    ratios.push(ofA.perCpu / ofB.perCpu);
  }
  const [low, high] = interval(ratios);
  const summary = (list) => ({
    perCpu: median(list.map((s) => s.perCpu)),
    perSecond: median(list.map((s) => s.perSecond)),
    busy: median(list.map((s) => s.busy)),
  });
  return { a: summary(samples.a), b: summary(samples.b), ratio: median(ratios), low, high, pairs };
}

/**
 * The same with both servers started anew several times. The ratio is the median of the starts' ratios
 * and the interval is that of the starts, because what differs between two equal servers is mostly
 * how each of them was started.
 * @param startA () => a side with stop(), and the same for b
 * @param options starts, and those of compare(), of which `pairs` are shared out
 */
export async function compareStarts(startA, startB, { starts = 5, pairs = 20, ...options } = {}) {
  const pairsPerStart = Math.max(2, Math.round(pairs / starts));
  const results = [];
  for (let i = 0; i < starts; i++) {
    const sides = [];
    try {
      for (const begin of [startA, startB]) sides.push(await begin());
      results.push(await compare(sides[0], sides[1], { ...options, pairs: pairsPerStart }));
    } finally {
      for (const side of sides) await side.stop();
    }
  }
  const middle = (side) =>
    Object.fromEntries(
      ['perCpu', 'perSecond', 'busy'].map((key) => [key, median(results.map((r) => r[side][key]))]),
    );
  const ratios = results.map((result) => result.ratio);
  const [low, high] = interval(ratios);
  const total = pairsPerStart * starts;
  return { a: middle('a'), b: middle('b'), ratio: median(ratios), low, high, pairs: total };
}
