// The part of a server that is about processes and time: who it is, tasks, messages between workers, reload
// and end, timers. Server is the only one that extends it.

import { isTaskTimeout, TASK_TIMEOUT_SECONDS } from './bounds.ts';
import { Life } from './life.ts';
import type { Server } from './server.ts';
import { Timer } from './timer.ts';

type FinishCallback = (server: Server, taskId: number, data: unknown) => unknown;

/** No name of Swoole's. */
export const LIFE = Symbol('life');

export class ServerProcess {
  protected readonly [LIFE]: Life;

  constructor() {
    this[LIFE] = new Life(this.#server);
  }

  get #server(): Server {
    return this as unknown as Server;
  }

  // ---- who it is ---------------------------------------------------------

  /** The process that has called start() first; 0 before. */
  get master_pid(): number {
    if (!this[LIFE].isStarted) return 0;
    return this[LIFE].crew?.masterPid ?? process.pid;
  }

  /** The master, which also manages; 0 when there is only one process. */
  get manager_pid(): number {
    return this[LIFE].crew === undefined && this[LIFE].master === undefined ? 0 : this.master_pid;
  }

  /** 0 to worker_num - 1, task workers behind them; -1 before start(), and in the master. */
  get worker_id(): number {
    if (!this[LIFE].isStarted || this[LIFE].master !== undefined) return -1;
    return this[LIFE].crew?.role.slot ?? 0;
  }

  get worker_pid(): number {
    return this.worker_id === -1 ? 0 : process.pid;
  }

  get taskworker(): boolean {
    return this[LIFE].crew?.isTaskWorker === true;
  }

  getWorkerId(): number {
    return this.worker_id;
  }

  getWorkerPid(): number {
    return this.worker_pid;
  }

  getMasterPid(): number {
    return this.master_pid;
  }

  getManagerPid(): number {
    return this.manager_pid;
  }

  // ---- reload and end ----------------------------------------------------

  /**
   * Replaces the workers, one after the other: the program is read anew.
   * @returns false when there is one process only, which nobody would replace
   */
  reload(onlyTaskWorkers = false): boolean {
    const { master, crew } = this[LIFE];
    if (crew === undefined) return master?.reload(onlyTaskWorkers) ?? false;
    return this.#signalMaster(onlyTaskWorkers ? 'SIGUSR2' : 'SIGUSR1');
  }

  /** Stops accepting, closes WebSockets with 1001, waits max_wait_time, and lets the processes end. */
  shutdown(): boolean {
    if (!this[LIFE].isStarted) return false;
    const { master, crew } = this[LIFE];
    if (master !== undefined) return master.shutdown();
    if (crew !== undefined) return this.#signalMaster('SIGTERM');
    this[LIFE].shutdown().catch((error: unknown) => this[LIFE].report(error));
    return true;
  }

  /**
   * Ends a worker, which is replaced; the only one is the server.
   * @param workerId default: this one
   */
  stop(workerId = -1): boolean {
    const { crew } = this[LIFE];
    if (crew === undefined) return (workerId === -1 || workerId === 0) && this.shutdown();
    if (workerId !== -1 && workerId !== this.worker_id) return crew.stopOther(workerId);
    return process.kill(process.pid, 'SIGTERM');
  }

  /** As in Swoole by a signal; its pid may be another's once it is gone. */
  #signalMaster(signal: NodeJS.Signals): boolean {
    return process.ppid === this.master_pid && process.kill(this.master_pid, signal);
  }

  // ---- tasks and messages ------------------------------------------------

  /**
   * Hands work to a task worker; its `task` event gets it.
   * @param data anything that v8.serialize() takes
   * @param index of the task worker, 0 to task_worker_num - 1; -1: one that has least to do
   * @param callback gets the result in place of `finish`
   * @returns its number, or false: no task worker is there, 65,536 are unfinished, or it is called in a
   *   task worker
   */
  task(data: unknown, index = -1, callback?: FinishCallback): number | false {
    const finished = (result: unknown, id: number): unknown => {
      const then = callback ?? this[LIFE].main.callbacks.get('finish');
      return then?.(this.#server, id, result);
    };
    const { crew } = this[LIFE];
    return (
      crew?.task(data, index, (result, id) => this[LIFE].call(() => finished(result, id))) ?? false
    );
  }

  /** In a task worker: the result of the task that it works on, once. */
  finish(data: unknown): boolean {
    return this[LIFE].crew?.finish(data) ?? false;
  }

  /**
   * Hands work out and resolves with its result.
   * @param seconds to wait
   * @returns false when there is no result in time, or no task worker
   */
  taskwait(data: unknown, seconds = TASK_TIMEOUT_SECONDS, index = -1): Promise<unknown> {
    if (!isTaskTimeout(seconds)) throw new RangeError('seconds is a number from 0 to 2,000,000.');
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000, false);
      const settle = (result: unknown): void => {
        clearTimeout(timer);
        resolve(result);
      };
      const id = this[LIFE].crew?.task(data, index, settle, () => settle(false)) ?? false;
      if (id === false) settle(false);
    });
  }

  /** taskwait() for several at once. @returns results by their place; those that are late are missing */
  async taskWaitMulti(
    tasks: readonly unknown[],
    seconds = TASK_TIMEOUT_SECONDS,
  ): Promise<Record<number, unknown>> {
    const results = Object.entries(await this.taskCo(tasks, seconds));
    return Object.fromEntries(results.filter(([, result]) => result !== false));
  }

  /** The same. @returns results in order; false for those that are late */
  taskCo(tasks: readonly unknown[], seconds = TASK_TIMEOUT_SECONDS): Promise<unknown[]> {
    return Promise.all(tasks.map((data) => this.taskwait(data, seconds)));
  }

  /**
   * To another worker, task workers included: its `pipeMessage` gets it.
   * @param message anything that v8.serialize() takes
   * @returns false when nobody is there, or he owes 16 MiB; also for oneself, and in the master
   */
  sendMessage(message: unknown, workerId: number): boolean {
    return this[LIFE].crew?.sendMessage(message, workerId) ?? false;
  }

  // ---- timers ------------------------------------------------------------

  /** As Timer.tick(); it ends with the server, and errors of `callback` are reported. */
  tick<Args extends unknown[]>(
    ms: number,
    callback: (id: number, ...args: Args) => unknown,
    ...args: Args
  ): number {
    const id = Timer.tick(ms, (timer) => this[LIFE].call(() => callback(timer, ...args)));
    this[LIFE].timers.add(id);
    return id;
  }

  after<Args extends unknown[]>(
    ms: number,
    callback: (...args: Args) => unknown,
    ...args: Args
  ): number {
    const id = Timer.after(ms, () => {
      this[LIFE].timers.delete(id);
      this[LIFE].call(() => callback(...args));
    });
    this[LIFE].timers.add(id);
    return id;
  }

  clearTimer(id: number): boolean {
    this[LIFE].timers.delete(id);
    return Timer.clear(id);
  }

  /** Calls it once this turn of the event loop is over. */
  defer(callback: () => unknown): boolean {
    setImmediate(() => this[LIFE].call(callback));
    return true;
  }
}
