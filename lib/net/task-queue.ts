// Tasks that run once at a point of the tick. Two lists take turns, so that nothing is allocated.

import type { TickTask } from './types.ts';

export class TaskQueue {
  #waiting: TickTask[] = [];
  #running: TickTask[] = [];
  readonly #failed: (error: unknown) => void;

  /** @param failed is told what a task threw; the tasks behind it run all the same */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  add(task: TickTask): void {
    this.#waiting.push(task);
  }

  /** Runs what was added before the call. What a task adds runs next time. */
  run(): void {
    if (this.#waiting.length === 0) return;
    const tasks = this.#waiting;
    this.#waiting = this.#running;
    this.#running = tasks;
    for (let i = 0; i < tasks.length; i++) {
      try {
        tasks[i]?.run();
      } catch (error) {
        this.#failed(error);
      }
    }
    tasks.length = 0;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }
}
