// This process: its workers, their start in order, signals, and the stop that has a bound; or, when some
// worker has a count, the supervisor of worker processes, or one of those.
// Worker's static members are its names for all this.
//
//   INITIAL --runAll()--> STARTING --all listen--> RUNNING --stopAll()--> SHUTDOWN --gone, or
//   stopTimeout--> INITIAL

import { TIMER_MS_MAX } from '../../base/clock.ts';
import { SluiceError } from '../../base/errors.ts';
import { isThenable } from '../../base/thenable.ts';
import { probeAddress } from '../../net/port-probe.ts';
import { NobodyThere } from '../../process/admin-client.ts';
import { PidFile } from '../../process/pid-file.ts';
import type { Supervisor, WorkerRole } from '../../process/types.ts';
import { workerRole } from '../../process/worker.ts';
import {
  type CommandLine,
  parseCommandLine,
  runningPid,
  startDaemon,
  stopRunning,
  tableOf,
} from './command-line.ts';
import { WorkerStatus } from './constants.ts';
import { ProcessGround } from './ground.ts';
import { processLog } from './process-log.ts';
import { reloadWorkers, serveAs, superviseWorkers } from './processes.ts';
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

class Master {
  readonly workers = new Set<Worker>();
  status: number = WorkerStatus.INITIAL;
  /** Seconds. */
  stopTimeout = 2;
  isGraceful = false;
  daemonize = false;
  pidFile = '';
  /** What a daemon writes to. */
  stdoutFile = '/dev/null';
  sendFails = 0;
  onReload: (() => unknown) | null = null;
  onStop: (() => unknown) | null = null;
  onExit: ((worker: Worker, status: number, pid: number) => unknown) | null = null;
  #supervisor: Supervisor | undefined;
  #role: WorkerRole | undefined;
  #heldPid: PidFile | undefined;
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
    // What a worker process is given as arguments is the supervisor's.
    const isWorker = workerRole() !== undefined;
    const line = parseCommandLine(
      isWorker ? [] : process.argv.slice(2),
      this.daemonize && !isWorker,
    );
    if (line.command === 'start' && !line.isDaemon) return this.#run();
    if (this.pidFile === '') {
      throw new SluiceError('ERR_STATE', 'Commands and daemons need Worker.pidFile.');
    }
    return this.#command(line);
  }

  /** Of `restart` only the start goes on in this process, and only without -d. */
  async #command({ command, isDaemon, isGraceful }: CommandLine): Promise<void> {
    if (command === 'status' || command === 'connections') {
      return this.#show(command);
    }
    if (command === 'reload') {
      const pid = runningPid(this.pidFile);
      if (pid !== undefined) process.kill(pid, isGraceful ? 'SIGUSR2' : 'SIGUSR1');
      this.#exit(pid !== undefined, pid === undefined ? 'not running' : `reload ${pid}`);
    } else if (command !== 'start') {
      const hasStopped = await stopRunning(this.pidFile, isGraceful);
      processLog.write(hasStopped ? 'stopped' : 'not running');
      if (command === 'stop') process.exit(hasStopped ? 0 : 1);
    }
    if (!isDaemon) return this.#run();
    const pid = await startDaemon(this.pidFile, this.stdoutFile);
    this.#exit(true, `started ${pid}`);
  }

  /** Only several processes have somebody beside them who can be asked. */
  async #show(command: 'status' | 'connections'): Promise<never> {
    try {
      console.log(await tableOf(command, this.pidFile));
      process.exit(0);
    } catch (error) {
      if (!(error instanceof NobodyThere)) throw error;
      this.#exit(false, 'not running, or in one process');
    }
  }

  #exit(isDone: boolean, message: string): never {
    processLog.write(message);
    process.exit(isDone ? 0 : 1);
  }

  #run(): Promise<void> {
    this.status = WorkerStatus.STARTING;
    const workers = [...this.workers];
    if (workers.every((worker) => worker.count === 1)) return this.#start(workers);
    const role = workerRole();
    return role === undefined ? this.#supervise(workers) : this.#serve(role, workers);
  }

  /** @returns resolved when everything that the facade has opened is closed */
  stopAll(code: number | string, message: string, isGraceful: boolean): Promise<void> {
    if (message !== '') processLog.write(message);
    if (this.#stopped !== undefined) return this.#stopped;
    if (code !== 0) process.exitCode = code;
    this.#stopped = this.#stop(isGraceful);
    return this.#stopped;
  }

  /**
   * Several processes are replaced, one after the other. The single one has nobody to replace it:
   * callbacks are called, connections stay.
   */
  reload(): void {
    if (this.#role !== undefined) {
      // The parent knows which workers are reloadable.
      process.kill(process.ppid, 'SIGUSR1');
      return;
    }
    if (this.#supervisor !== undefined) {
      this.#call(this.onReload);
      reloadWorkers(this.#supervisor, [...this.workers]).catch((error: unknown) =>
        processLog.report(error),
      );
      return;
    }
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

  // ---- several processes -------------------------------------------------

  async #supervise(workers: readonly Worker[]): Promise<void> {
    const supervisor = await superviseWorkers(workers, {
      pidFile: this.pidFile,
      stopTimeoutMs: this.stopTimeout * 1000,
      onExit: (worker, status, pid) => this.#call(() => this.onExit?.(worker, status, pid)),
    });
    this.#supervisor = supervisor;
    this.#listenToSignals();
    void supervisor.ended.then((code) => {
      this.#call(this.onStop);
      for (const signal of Object.keys(SIGNALS)) process.off(signal, this.#onSignal);
      this.#reset();
      if (code !== 0) process.exitCode = code;
    });
    await supervisor.ready;
    this.status = WorkerStatus.RUNNING;
  }

  async #serve(role: WorkerRole, workers: readonly Worker[]): Promise<void> {
    this.#role = role;
    for (const worker of workers) await worker.joinProcesses(role);
    await serveAs(role, workers, (mine) => {
      // The others have processes of their own.
      for (const worker of workers) if (worker !== mine) this.workers.delete(worker);
      this.status = WorkerStatus.RUNNING;
    });
  }

  // ------------------------------------------------------------------------

  #check(): void {
    if (this.status !== WorkerStatus.INITIAL) {
      throw new SluiceError('ERR_STATE', 'Worker.runAll() was called before.');
    }
    for (const worker of this.workers) worker.check();
  }

  async #start(workers: readonly Worker[]): Promise<void> {
    try {
      for (const worker of workers) {
        const { place } = worker;
        // Of a path the engine replaces the file of a dead server, and refuses that of a living one.
        const isProbed = place?.kind === 'port' && !worker.reusePort;
        if (isProbed) await probeAddress(place.host, place.port);
      }
      for (const worker of workers) worker.listen();
      for (const worker of workers) worker.setUserAndGroup();
      if (this.pidFile !== '') this.#heldPid = new PidFile(this.pidFile);
      this.#listenToSignals();
      this.status = WorkerStatus.RUNNING;
      for (const worker of workers) await worker.run();
    } catch (error) {
      await this.stopAll(1, '', false);
      throw error;
    }
  }

  #listenToSignals(): void {
    for (const signal of Object.keys(SIGNALS)) process.on(signal, this.#onSignal);
  }

  #reset(): void {
    this.workers.clear();
    this.#supervisor = undefined;
    this.#stopped = undefined;
    this.isGraceful = false;
    this.status = WorkerStatus.INITIAL;
  }

  async #stop(isGraceful: boolean): Promise<void> {
    if (this.#supervisor !== undefined) {
      this.status = WorkerStatus.SHUTDOWN;
      await this.#supervisor.stop({ graceful: isGraceful });
      return;
    }
    this.isGraceful = isGraceful;
    this.status = WorkerStatus.SHUTDOWN;
    this.#call(this.onStop);
    for (const worker of this.workers) worker.stop(!isGraceful);
    Timer.delAll();
    await this.#allGone(isGraceful);
    for (const signal of Object.keys(SIGNALS)) process.off(signal, this.#onSignal);
    this.#heldPid?.release();
    this.#heldPid = undefined;
    const ground = this.#ground;
    this.#ground = undefined;
    await ground?.close();
    this.#reset();
    // A worker process is replaced by its supervisor.
    if (this.#role !== undefined) process.exit();
  }

  /** A graceful stop waits for the last connection, as in Workerman; a plain one for stopTimeout. */
  async #allGone(isGraceful: boolean): Promise<void> {
    let deadline: NodeJS.Timeout | undefined;
    const gone = new Promise<void>((resolve) => {
      this.#whenGone = resolve;
      const stopMs = Math.min(this.stopTimeout * 1000, TIMER_MS_MAX);
      if (!isGraceful) deadline = setTimeout(resolve, stopMs);
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
      const result: unknown = callback?.();
      if (isThenable(result)) result.then(undefined, (error: unknown) => processLog.report(error));
    } catch (error) {
      processLog.report(error);
    }
  }
}

export const master = new Master();
