// One worker as its supervisor sees it: the child, its control line once it has said hello, what it last
// reported, and the deadlines that it is under. It decides nothing.

import type {
  ControlLine,
  SupervisorWords,
  WorkerBeat,
  WorkerState,
  WorkerWords,
} from './control.ts';
import { LIFETIME_SPREAD, REJOIN_GRACE_MS } from './limits.ts';
import { NO_LOAD } from './load-meter.ts';
import { LoadRates } from './load-rates.ts';
import type { ResolvedOptions } from './options.ts';
import type { WorkerRecord } from './succession.ts';
import type { WorkerReport } from './types.ts';
import type { Ending, WorkerChild } from './worker-child.ts';

export type SupervisorLine = ControlLine<WorkerWords, SupervisorWords>;

const NO_BEAT: WorkerBeat = { ...NO_LOAD, extra: {} };

export class WorkerProcess {
  readonly slot: number;
  readonly role: string;
  readonly serial: number;
  readonly pid: number;
  readonly startedAt: number;
  /** The program before this one has started it. */
  readonly isInherited: boolean;
  /** Resolves once, when the process is gone. */
  readonly ended: Promise<Ending>;
  /** performance.now() after which it is to be replaced; Infinity: never. */
  readonly expiresAt: number;
  line: SupervisorLine | undefined;
  state: WorkerState = 'starting';
  /** performance.now() when it became ready. */
  readyAt: number | undefined;
  /** performance.now() of the last word from it. */
  heardAt = performance.now();
  beat: WorkerBeat = NO_BEAT;
  /** It was found hanging, and is about to be killed. */
  isHung = false;
  /** Others may connect to it. */
  hasBus = false;
  /** performance.now() before which its replacement is not asked for (again). */
  recycleFrom = 0;
  hasEnded = false;
  readonly #rates = new LoadRates();
  readonly #child: WorkerChild;
  #deadline: NodeJS.Timeout | undefined;
  #deadlineAt: number | undefined;
  /** It is to be told when its line stands again. */
  #farewell: SupervisorWords['leave'] | undefined;

  constructor(
    options: ResolvedOptions,
    child: WorkerChild,
    who: Pick<WorkerRecord, 'slot' | 'serial'> & Partial<Pick<WorkerRecord, 'startedAt'>>,
  ) {
    this.slot = who.slot;
    this.role = options.roles[who.slot] ?? 'worker';
    this.serial = who.serial;
    this.isInherited = who.startedAt !== undefined;
    this.startedAt = who.startedAt ?? Date.now();
    const { maxLifetimeMs } = options;
    const lifetimeMs = maxLifetimeMs * (1 + Math.random() * LIFETIME_SPREAD);
    this.expiresAt = maxLifetimeMs === 0 ? Number.POSITIVE_INFINITY : this.heardAt + lifetimeMs;
    this.#child = child;
    this.pid = child.pid;
    this.ended = child.ended.then((ending) => {
      this.hasEnded = true;
      clearTimeout(this.#deadline);
      this.line?.close();
      return ending;
    });
  }

  /** It does what it is there for, and can be heard. */
  get isServing(): boolean {
    return this.state === 'ready' && !this.isHung && !this.hasEnded && this.line !== undefined;
  }

  get readyMs(): number | undefined {
    return this.readyAt === undefined ? undefined : performance.now() - this.readyAt;
  }

  /** Kills it unless it has left until then. A later deadline replaces an earlier one. */
  setDeadline(ms: number): void {
    this.clearDeadline();
    this.#deadlineAt = performance.now() + ms;
    this.#deadline = setTimeout(() => this.kill(), ms);
  }

  clearDeadline(): void {
    clearTimeout(this.#deadline);
    this.#deadlineAt = undefined;
  }

  /**
   * Tells it to close its sockets with `code` over the window, and kills it after the deadline. One whose
   * line is lost is told when it comes back, for which it has the time that it looks for us.
   */
  leave(code: number, windowMs: number, deadlineMs: number): void {
    const how = { code, windowMs, restMs: deadlineMs - windowMs };
    this.line?.say('leave', how);
    this.#farewell = this.line === undefined ? how : undefined;
    const graceMs = this.state === 'starting' ? 0 : Math.min(deadlineMs, REJOIN_GRACE_MS);
    this.setDeadline(this.line === undefined ? graceMs : deadlineMs);
  }

  /** Its line stands. */
  joined(line: SupervisorLine, hasBus: boolean): void {
    this.line?.close();
    this.line = line;
    this.hasBus = hasBus;
    if (this.#farewell === undefined) return;
    const { code, windowMs, restMs } = this.#farewell;
    this.leave(code, windowMs, windowMs + restMs);
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    if (!this.hasEnded) this.#child.kill(signal);
  }

  /** It has told what it does. */
  heardBeat(beat: WorkerBeat): void {
    this.beat = beat;
    this.#rates.note(beat, performance.now());
  }

  report(): WorkerReport {
    const { slot, role, pid, state, startedAt, beat } = this;
    const { perSecond, cpuPercent } = this.#rates;
    const { connections, requests, queueBytes, memoryBytes, loopDelayP99Ms, extra } = beat;
    const load = { connections, requests, perSecond, queueBytes, cpuPercent, memoryBytes };
    return { slot, role, pid, state, startedAt, ...load, loopDelayP99Ms, extra };
  }

  /** For whoever takes our place. */
  record(role: WorkerRecord['role']): WorkerRecord {
    const { slot, serial, pid, startedAt, readyMs } = this;
    const restMs = this.#deadlineAt === undefined ? {} : { restMs: this.#restMs(this.#deadlineAt) };
    const ready = readyMs === undefined ? {} : { readyMs };
    return { slot, serial, pid, startedAt, role, ...ready, ...restMs };
  }

  #restMs(deadlineAt: number): number {
    return Math.max(0, deadlineAt - performance.now());
  }
}
