// One worker as its supervisor sees it: the child, its control line once it has said hello, what it last
// reported, and the deadlines that it is under. It decides nothing.

import { type ChildProcess, spawn } from 'node:child_process';
import type {
  ControlLine,
  SupervisorWords,
  WorkerBeat,
  WorkerState,
  WorkerWords,
} from './control.ts';
import { type HandDown, WORKER_VARIABLE } from './hand-down.ts';
import { INSPECT_OPTION } from './hang-stack.ts';
import { LIFETIME_SPREAD } from './limits.ts';
import { NO_LOAD } from './load-meter.ts';
import { LoadRates } from './load-rates.ts';
import type { ResolvedOptions } from './options.ts';
import type { WorkerReport } from './types.ts';

export type SupervisorLine = ControlLine<WorkerWords, SupervisorWords>;

export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
}

const NO_BEAT: WorkerBeat = { ...NO_LOAD, extra: {} };

export class WorkerProcess {
  readonly slot: number;
  readonly role: string;
  readonly serial: number;
  readonly pid: number;
  readonly startedAt = Date.now();
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
  readonly #child: ChildProcess;
  #deadline: NodeJS.Timeout | undefined;

  /** @param descriptors from 3 on in the child */
  constructor(options: ResolvedOptions, handDown: HandDown, descriptors: readonly number[]) {
    this.slot = handDown.slot;
    this.role = options.roles[handDown.slot] ?? 'worker';
    this.serial = handDown.serial;
    const { maxLifetimeMs } = options;
    const lifetimeMs = maxLifetimeMs * (1 + Math.random() * LIFETIME_SPREAD);
    this.expiresAt = maxLifetimeMs === 0 ? Number.POSITIVE_INFINITY : this.heardAt + lifetimeMs;
    const args = [...execArgvOf(options), options.script, ...options.args];
    const child = spawn(process.execPath, args, {
      stdio: [0, 1, 2, ...descriptors],
      env: { ...process.env, ...options.env(), [WORKER_VARIABLE]: JSON.stringify(handDown) },
    });
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: string | null): void => {
        this.hasEnded = true;
        clearTimeout(this.#deadline);
        this.line?.close();
        resolve({ code, signal });
      };
      child.once('exit', end);
      // There was no process: no memory, no descriptors, no such file.
      child.once('error', (error) => end(null, error.message));
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
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.kill(), ms);
  }

  clearDeadline(): void {
    clearTimeout(this.#deadline);
  }

  /**
   * Tells it to close its sockets with `code` over the window, and kills it after the deadline. Whoever
   * cannot be told has nothing to wait for.
   */
  leave(code: number, windowMs: number, deadlineMs: number): void {
    this.line?.say('leave', { code, windowMs, restMs: deadlineMs - windowMs });
    this.setDeadline(this.line === undefined ? 0 : deadlineMs);
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
}

function execArgvOf(options: ResolvedOptions): readonly string[] {
  const isInspected = options.execArgv.some((option) => option.startsWith('--inspect'));
  if (options.hangTimeoutMs === 0 || isInspected) return options.execArgv;
  return [...options.execArgv, INSPECT_OPTION];
}
