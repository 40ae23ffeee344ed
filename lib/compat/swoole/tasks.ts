// Tasks: a worker hands work to task workers and hears what has come of it. A task worker has one at a time.

import { SluiceError } from '../../base/errors.ts';
import { TASKS_MAX } from './bounds.ts';

/** What is waited for, by number. */
interface Waiting {
  readonly serial: number;
  finished(data: unknown): void;
  lost(): void;
}

/** The side that hands out. */
export class TaskDesk {
  readonly #waiting = new Map<number, Waiting>();
  /** Unfinished ones by the task worker that has them. */
  readonly #counts = new Map<number, number>();
  #lastId = -1;

  get size(): number {
    return this.#waiting.size;
  }

  /** @returns its number, or false at the bound, or when `send` says that it cannot be handed over */
  add(
    serial: number,
    send: (id: number) => boolean,
    ends: Pick<Waiting, 'finished' | 'lost'>,
  ): number | false {
    if (this.#waiting.size >= TASKS_MAX) return false;
    const id = ++this.#lastId;
    if (!send(id)) return false;
    this.#waiting.set(id, { serial, ...ends });
    this.#counts.set(serial, this.countAt(serial) + 1);
    return id;
  }

  finished(id: number, data: unknown, isNothing: boolean): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    this.#counts.set(waiting.serial, this.countAt(waiting.serial) - 1);
    if (!isNothing) waiting.finished(data);
  }

  /** That task worker is gone. */
  left(serial: number): void {
    for (const [id, waiting] of this.#waiting) {
      if (waiting.serial !== serial) continue;
      this.#waiting.delete(id);
      waiting.lost();
    }
    this.#counts.delete(serial);
  }

  /** Unfinished tasks there. */
  countAt(serial: number): number {
    return this.#counts.get(serial) ?? 0;
  }
}

export interface Task {
  readonly id: number;
  /** Of the worker process that has handed it out. */
  readonly serial: number;
  readonly slot: number;
  readonly data: unknown;
}

/** The side that works. */
export class TaskQueue {
  readonly #work: (task: Task) => Promise<void>;
  readonly #waiting: Task[] = [];
  #running: Promise<void> | undefined;
  #current: Task | undefined;

  /** @param work must not reject */
  constructor(work: (task: Task) => Promise<void>) {
    this.#work = work;
  }

  get current(): Task | undefined {
    return this.#current;
  }

  add(task: Task): void {
    this.#waiting.push(task);
    this.#running ??= this.#run();
  }

  /** Resolves when nothing is left to do. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    for (let task = this.#waiting.shift(); task !== undefined; task = this.#waiting.shift()) {
      this.#current = task;
      await this.#work(task);
      this.#current = undefined;
    }
    this.#running = undefined;
  }
}

export function taskLost(id: number | false): SluiceError {
  return new SluiceError('ERR_CLOSED', `Task ${id} is lost: its worker is gone.`);
}
