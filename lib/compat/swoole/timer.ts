// Timers by number, as Swoole\Timer and the server's tick(), after() and clearTimer() have them.

import { TIMER_MS_MAX } from '../../base/clock.ts';
import { SluiceError } from '../../base/errors.ts';
import { TIMERS_MAX } from './bounds.ts';

interface Entry {
  readonly handle: NodeJS.Timeout;
  readonly ms: number;
  readonly isRepeated: boolean;
  runs: number;
}

export interface TimerInfo {
  readonly exec_msec: number;
  readonly exec_count: number;
  /** Milliseconds between two calls; 0 for one that is called once. */
  readonly interval: number;
  readonly removed: boolean;
}

type TickCallback<Args extends unknown[]> = (id: number, ...args: Args) => unknown;
type AfterCallback<Args extends unknown[]> = (...args: Args) => unknown;

const entries = new Map<number, Entry>();
let lastId = 0;

/** An error of a callback is raised as uncaught, as of any timer of Node's. */
// biome-ignore lint/complexity/noStaticOnlyClass: programs write Timer.tick().
export class Timer {
  /**
   * @param ms 1 to 2^31-1
   * @returns its number
   * @throws SluiceError ERR_ARG_RANGE for other times, ERR_STATE at TIMERS_MAX timers
   */
  static tick<Args extends unknown[]>(
    ms: number,
    callback: TickCallback<Args>,
    ...args: Args
  ): number {
    const id = nextId(ms);
    const handle = setInterval(() => {
      const entry = entries.get(id);
      if (entry !== undefined) entry.runs++;
      callback(id, ...args);
    }, ms);
    entries.set(id, { handle, ms, isRepeated: true, runs: 0 });
    return id;
  }

  /** As tick(), once. */
  static after<Args extends unknown[]>(
    ms: number,
    callback: AfterCallback<Args>,
    ...args: Args
  ): number {
    const id = nextId(ms);
    const handle = setTimeout(() => {
      entries.delete(id);
      callback(...args);
    }, ms);
    entries.set(id, { handle, ms, isRepeated: false, runs: 0 });
    return id;
  }

  /** @returns false when there is no such timer */
  static clear(id: number): boolean {
    const entry = entries.get(id);
    if (entry === undefined) return false;
    // One function clears both kinds.
    clearTimeout(entry.handle);
    return entries.delete(id);
  }

  static clearAll(): boolean {
    for (const id of [...entries.keys()]) Timer.clear(id);
    return true;
  }

  static exists(id: number): boolean {
    return entries.has(id);
  }

  static info(id: number): TimerInfo | null {
    const entry = entries.get(id);
    if (entry === undefined) return null;
    const interval = entry.isRepeated ? entry.ms : 0;
    return { exec_msec: entry.ms, exec_count: entry.runs, interval, removed: false };
  }

  static list(): IterableIterator<number> {
    return entries.keys();
  }

  static stats(): { readonly initialized: boolean; readonly num: number; readonly round: number } {
    return { initialized: lastId > 0, num: entries.size, round: lastId };
  }
}

function nextId(ms: number): number {
  if (!Number.isInteger(ms) || ms < 1 || ms > TIMER_MS_MAX) {
    throw new SluiceError('ERR_ARG_RANGE', `A timer waits from 1 to ${TIMER_MS_MAX} ms.`);
  }
  if (entries.size >= TIMERS_MAX) {
    throw new SluiceError('ERR_STATE', `There are ${TIMERS_MAX} timers already.`);
  }
  return ++lastId;
}
