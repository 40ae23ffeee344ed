// The one process in its single-process form: its workers, their start in order, signals, and the stop
// that has a bound. Worker's static members are its names for all this.
//
//   INITIAL --runAll()--> STARTING --all listen--> RUNNING --stopAll()--> SHUTDOWN --gone, or
//   stopTimeout--> INITIAL

import { rmSync, writeFileSync } from 'node:fs';
import { SluiceError } from '../../base/errors.ts';
import { WorkerStatus } from './constants.ts';
import { ProcessGround } from './ground.ts';
import { probePlace } from './probe.ts';
import { processLog } from './process-log.ts';
import { Timer } from './timer.ts';
import type { Worker } from './worker.ts';

/** Workerman's: stop, graceful stop, reload. */
const SIGNALS = {
  SIGINT: 'stop',
  SIGTERM: 'stop',
  SIGHUP: 'stop',
  SIGTSTP: 'stop',
  SIGQUIT: 'graceful stop',
  SIGUSR1: 'reload',
  SIGUSR2: 'reload',
} as const satisfies Partial<Record<NodeJS.Signals, string>>;

const COMMANDS: readonly string[] = ['stop', 'restart', 'reload', 'status', 'connections'];

class Master {
  readonly workers = new Set<Worker>();
  status: number = WorkerStatus.INITIAL;
  /** Seconds. */
  stopTimeout = 2;
  isGraceful = false;
  daemonize = false;
  pidFile = '';
  sendFails = 0;
  onReload: (() => unknown) | null = null;
  onStop: (() => unknown) | null = null;
  #ground: ProcessGround | undefined;
  #stopped: Promise<void> | undefined;
  #whenGone: (() => void) | undefined;
  readonly #onSignal = (signal: NodeJS.Signals): void => this.#signalled(signal);

  /** Made when something listens. */
  get ground(): ProcessGround {
    this.#ground ??= new ProcessGround((error) => processLog.report(error));
    return this.#ground;
  }

  /** @throws SluiceError at once for what this form cannot do; rejects when a place is refused */
  runAll(): Promise<void> {
    this.#check();
    this.status = WorkerStatus.STARTING;
    return this.#start([...this.workers]);
  }

  /** @returns resolved when everything that the facade has opened is closed */
  stopAll(code: number | string, message: string, isGraceful: boolean): Promise<void> {
    if (message !== '') processLog.write(message);
    if (this.#stopped !== undefined) return this.#stopped;
    if (code !== 0) process.exitCode = code;
    this.#stopped = this.#stop(isGraceful);
    return this.#stopped;
  }

  /** The single process has nobody to replace it: callbacks are called, connections stay. */
  reload(): void {
    const before = this.status;
    this.status = WorkerStatus.RELOADING;
    this.#call(this.onReload);
    for (const worker of this.workers) {
      const { onWorkerReload } = worker;
      if (onWorkerReload !== null) this.#call(() => onWorkerReload(worker));
    }
    this.status = before;
  }

  /** A connection or a listener is gone. */
  noteGone(): void {
    if (this.#whenGone === undefined) return;
    for (const worker of this.workers) if (worker.connections.size > 0) return;
    this.#whenGone();
  }

  // ------------------------------------------------------------------------

  #check(): void {
    if (this.status !== WorkerStatus.INITIAL) {
      throw new SluiceError('ERR_STATE', 'Worker.runAll() was called before.');
    }
    const command = process.argv[2] ?? '';
    if (COMMANDS.includes(command) || process.argv.slice(2).includes('-d') || this.daemonize) {
      const text = `"${command}" and daemonize need worker processes; there is "start" only.`;
      throw new SluiceError('ERR_UNSUPPORTED', text);
    }
    for (const worker of this.workers) worker.check();
  }

  async #start(workers: readonly Worker[]): Promise<void> {
    try {
      for (const worker of workers) {
        const { place } = worker;
        if (place !== undefined && !worker.reusePort) await probePlace(place);
      }
      for (const worker of workers) worker.listen();
      for (const worker of workers) worker.setUserAndGroup();
      if (this.pidFile !== '') writeFileSync(this.pidFile, `${process.pid}`);
      for (const signal of Object.keys(SIGNALS)) process.on(signal, this.#onSignal);
      this.status = WorkerStatus.RUNNING;
      for (const worker of workers) await worker.run();
    } catch (error) {
      await this.stopAll(1, '', false);
      throw error;
    }
  }

  async #stop(isGraceful: boolean): Promise<void> {
    this.isGraceful = isGraceful;
    this.status = WorkerStatus.SHUTDOWN;
    this.#call(this.onStop);
    for (const worker of this.workers) worker.stop(!isGraceful);
    Timer.delAll();
    await this.#allGone(isGraceful);
    for (const signal of Object.keys(SIGNALS)) process.off(signal, this.#onSignal);
    if (this.pidFile !== '') rmSync(this.pidFile, { force: true });
    const ground = this.#ground;
    this.#ground = undefined;
    await ground?.close();
    this.workers.clear();
    this.#stopped = undefined;
    this.isGraceful = false;
    this.status = WorkerStatus.INITIAL;
  }

  /** A graceful stop waits for the last connection, as in Workerman; a plain one for stopTimeout. */
  async #allGone(isGraceful: boolean): Promise<void> {
    let deadline: NodeJS.Timeout | undefined;
    const gone = new Promise<void>((resolve) => {
      this.#whenGone = resolve;
      if (!isGraceful) deadline = setTimeout(resolve, this.stopTimeout * 1000);
    });
    this.noteGone();
    await gone;
    clearTimeout(deadline);
    this.#whenGone = undefined;
  }

  #signalled(signal: NodeJS.Signals): void {
    const action = SIGNALS[signal as keyof typeof SIGNALS];
    if (action === 'reload') {
      this.reload();
      return;
    }
    // Whatever else the program holds: who sends a signal wants the process gone.
    this.stopAll(0, '', action === 'graceful stop').then(
      () => process.exit(),
      (error: unknown) => {
        processLog.report(error);
        process.exit(1);
      },
    );
  }

  #call(callback: (() => unknown) | null): void {
    try {
      const result = callback?.();
      if (result instanceof Promise) result.catch((error: unknown) => processLog.report(error));
    } catch (error) {
      processLog.report(error);
    }
  }
}

export const master = new Master();
