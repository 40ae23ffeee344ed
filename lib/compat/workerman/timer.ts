// Workerman's Timer: seconds instead of milliseconds, ids instead of handles. What a timer throws is logged
// and costs nobody anything; the timer goes on.

import { SluiceError } from '../../base/errors.ts';
import { isThenable } from '../../base/thenable.ts';
import { processLog } from './process-log.ts';

/** Node counts milliseconds in 31 bits; that is 24 days. */
const SECONDS_MAX = 2_147_483.647;

type Task<Values extends readonly unknown[]> = (...values: Values) => unknown;

// biome-ignore lint/complexity/noStaticOnlyClass: the shape is Workerman's.
export class Timer {
  static readonly #timers = new Map<number, NodeJS.Timeout>();
  static #lastId = 0;

  /**
   * Calls `task` every `seconds`, or once.
   * @param seconds above 0, up to 24 days; fractions down to 0.001
   * @returns its id, for del()
   * @throws SluiceError ERR_ARG_RANGE
   */
  static add<Values extends readonly unknown[]>(
    seconds: number,
    task: Task<Values>,
    values?: Values,
    persistent = true,
  ): number {
    if (!(seconds > 0 && seconds <= SECONDS_MAX)) {
      throw new SluiceError('ERR_ARG_RANGE', `A timer's seconds are above 0, to ${SECONDS_MAX}.`);
    }
    const id = ++Timer.#lastId;
    const run = (): void => {
      if (!persistent) Timer.#timers.delete(id);
      callTask(task, values);
    };
    const ms = Math.max(1, Math.round(seconds * 1000));
    Timer.#timers.set(id, persistent ? setInterval(run, ms) : setTimeout(run, ms));
    return id;
  }

  static repeat<Values extends readonly unknown[]>(
    seconds: number,
    task: Task<Values>,
    values?: Values,
  ): number {
    return Timer.add(seconds, task, values, true);
  }

  static delay<Values extends readonly unknown[]>(
    seconds: number,
    task: Task<Values>,
    values?: Values,
  ): number {
    return Timer.add(seconds, task, values, false);
  }

  /** Where Workerman's coroutines sleep, programs here await. */
  static sleep(seconds: number): Promise<void> {
    return new Promise((resolve) => {
      Timer.delay(seconds, resolve);
    });
  }

  /** @returns false when there is none of that id any more */
  static del(id: number): boolean {
    const timer = Timer.#timers.get(id);
    clearTimeout(timer);
    return Timer.#timers.delete(id);
  }

  static delAll(): void {
    for (const id of [...Timer.#timers.keys()]) Timer.del(id);
  }

  /** How many are set. */
  static get count(): number {
    return Timer.#timers.size;
  }
}

function callTask<Values extends readonly unknown[]>(
  task: Task<Values>,
  values: Values | undefined,
): void {
  try {
    const result: unknown = values === undefined ? (task as () => unknown)() : task(...values);
    if (isThenable(result)) result.then(undefined, (error: unknown) => processLog.report(error));
  } catch (error) {
    processLog.report(error);
  }
}
