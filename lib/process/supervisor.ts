// The supervisor: the life of the whole. It carries no traffic: it keeps the sockets, starts workers in their
// places, hears what they say, and ends when it is told to or nobody can serve.

import { SluiceError } from '../base/errors.ts';
import { openAdminSocket } from './admin-socket.ts';
import type { WorkerState, WorkerWords } from './control.ts';
import { ControlServer } from './control-server.ts';
import { SocketCoverage } from './coverage.ts';
import { renumbered } from './hand-down.ts';
import { BEAT_MS_MAX, BEATS_PER_HANG } from './limits.ts';
import { ListeningSockets } from './listening-sockets.ts';
import { type ResolvedOptions, resolveOptions } from './options.ts';
import { OrphanReaper } from './orphans.ts';
import { PidFile } from './pid-file.ts';
import { Places } from './places.ts';
import { listenToSignals } from './signals.ts';
import { SupervisorAdmin } from './supervisor-admin.ts';
import type { Supervisor, SupervisorOptions, WorkerReport } from './types.ts';
import { WorkerProcess } from './worker-process.ts';
import { WorkerWatch } from './worker-watch.ts';

/**
 * Opens the sockets, takes the pid file and starts the workers, which run the same program: there
 * workerRole() says so.
 * @throws SluiceError (rejects) ERR_ARG_RANGE, ERR_ARG_TYPE; ERR_RUNNING and ERR_SYSTEM (EADDRINUSE)
 *   when another one runs; nothing has been started then
 */
export async function supervise(options: SupervisorOptions): Promise<Supervisor> {
  const resolved = resolveOptions(options);
  const pidFile = resolved.pidFile === undefined ? undefined : new PidFile(resolved.pidFile);
  try {
    const sockets = await ListeningSockets.open(resolved.listen, resolved.workers);
    const supervisor = new ProcessSupervisor(resolved, sockets, pidFile);
    await supervisor.start();
    return supervisor;
  } catch (error) {
    pidFile?.release();
    throw error;
  }
}

class ProcessSupervisor implements Supervisor {
  readonly ports: readonly number[];
  readonly ready: Promise<void>;
  readonly ended: Promise<number>;
  readonly #options: ResolvedOptions;
  readonly #sockets: ListeningSockets;
  readonly #pidFile: PidFile | undefined;
  readonly #control: ControlServer;
  readonly #coverage: SocketCoverage;
  readonly #places: Places;
  readonly #watch: WorkerWatch;
  readonly #reaper = process.pid === 1 ? new OrphanReaper() : undefined;
  #closeAdmin: () => Promise<void> = () => Promise.resolve();
  #stopSignals: () => void = () => undefined;
  #nextSerial = 1;
  #isStopping = false;
  #isFinished = false;
  #exitCode = 0;
  #reloading: Promise<void> | undefined;
  #resolveReady: () => void = () => undefined;
  #resolveEnded: (code: number) => void = () => undefined;

  constructor(options: ResolvedOptions, sockets: ListeningSockets, pidFile: PidFile | undefined) {
    this.#options = options;
    this.#sockets = sockets;
    this.#pidFile = pidFile;
    this.ports = sockets.addresses.map((address) => address.port);
    this.ready = new Promise((resolve) => {
      this.#resolveReady = resolve;
    });
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#coverage = new SocketCoverage(sockets.addresses);
    this.#places = new Places(options, {
      spawn: (slot) => this.#spawn(slot),
      changed: () => this.#workersChanged(),
      gaveUp: (text) => this.#giveUp(text),
      emptied: () => this.#finish(),
    });
    const hangMs = options.hangTimeoutMs;
    const beatMs = hangMs === 0 ? BEAT_MS_MAX : Math.min(BEAT_MS_MAX, hangMs / BEATS_PER_HANG);
    this.#control = new ControlServer(this, beatMs);
    this.#watch = new WorkerWatch(options, beatMs, {
      workers: () => this.#places.workers,
      hung: () => this.#workersChanged(),
      recycle: (worker) => this.#places.recycle(worker),
    });
  }

  async start(): Promise<void> {
    await this.#control.listen();
    await this.#openAdmin();
    if (this.#options.handleSignals) {
      this.#stopSignals = listenToSignals({
        stop: (graceful) => void this.stop({ graceful }),
        reload: () => this.#reloadUnasked('SIGHUP'),
        kill: () => this.#places.killAll(),
      });
    }
    this.#places.startAll();
  }

  async #openAdmin(): Promise<void> {
    const { adminSocket, version } = this.#options;
    if (adminSocket === undefined) return;
    const source = new SupervisorAdmin(
      {
        workers: () => this.#places.workers,
        list: (worker, query) => this.#control.list(worker, query),
        reload: () => this.reload(),
        restart: () => this.reload(),
        stop: (graceful) => void this.stop({ graceful }),
      },
      version,
    );
    try {
      const socket = await openAdminSocket(adminSocket, source);
      this.#closeAdmin = async () => {
        source.end();
        await socket.close();
      };
    } catch (error) {
      source.end();
      this.#control.close();
      this.#sockets.close();
      throw error;
    }
  }

  get workers(): readonly WorkerReport[] {
    return this.#places.workers.map((worker) => worker.report());
  }

  reload(): Promise<void> {
    if (this.#isStopping) return Promise.reject(new SluiceError('ERR_STATE', 'It is stopping.'));
    // One that was asked for while another runs begins after it: the program may have changed again.
    const before = this.#reloading?.catch(() => undefined) ?? Promise.resolve();
    const reloading = before
      .then(() => this.#options.beforeReload())
      .then(() => this.#places.replaceAll());
    this.#reloading = reloading;
    return reloading;
  }

  #reloadUnasked(why: string): void {
    this.#options.log.info({ why }, 'reload');
    this.reload().catch((error: unknown) => {
      this.#options.log.error({ error: String(error) }, 'reload failed');
    });
  }

  async stop(options: { readonly graceful?: boolean } = {}): Promise<void> {
    this.#isStopping = true;
    this.#places.stop(options.graceful === true);
    await this.ended;
  }

  // ---- ControlHandler ----------------------------------------------------

  find(serial: number, pid: number): WorkerProcess | undefined {
    return this.#places.workers.find((worker) => worker.serial === serial && worker.pid === pid);
  }

  joined(worker: WorkerProcess): void {
    this.#sayPeers();
    if (worker.state === 'ready') this.#workersChanged();
  }

  stateChanged(worker: WorkerProcess, state: WorkerState): void {
    this.#places.stateChanged(worker, state);
  }

  joinedBus(worker: WorkerProcess): void {
    worker.hasBus = true;
    this.#sayPeers();
  }

  asked(action: WorkerWords['ask']['action']): void {
    if (action === 'reload') this.#reloadUnasked('a worker asked');
    else void this.stop({ graceful: action === 'stop-gracefully' });
  }

  // ---- what the places need and tell -------------------------------------

  #spawn(slot: number): WorkerProcess {
    const { addresses, descriptors } = this.#sockets;
    const handDown = {
      slot,
      count: this.#options.workers,
      serial: this.#nextSerial++,
      folder: this.#control.folder,
      addresses: renumbered(addresses, descriptors),
    };
    return new WorkerProcess(this.#options, handDown, descriptors);
  }

  #workersChanged(): void {
    this.#coverage.update((slot) => this.#places.servingAt(slot));
    this.#sayPeers();
    if (this.#places.isComplete) this.#resolveReady();
  }

  #sayPeers(): void {
    const workers = this.#places.workers.filter(
      (worker) => worker.line !== undefined && worker.hasBus,
    );
    const serials = workers.map((worker) => worker.serial);
    for (const worker of workers) worker.line?.say('peers', { serials });
  }

  /** The brake of a crash loop. */
  #giveUp(text: string): void {
    const error = new SluiceError('ERR_CRASH_LOOP', `No worker can serve: ${text}.`);
    this.#options.log.error({ code: error.code }, error.message);
    process.stderr.write(`sluice: ${error.message}\n`);
    this.#exitCode = 1;
    void this.stop();
  }

  #finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#watch.stop();
    this.#stopSignals();
    this.#reaper?.stop();
    this.#control.close();
    this.#sockets.close();
    this.#pidFile?.release();
    if (this.#exitCode !== 0) process.exitCode = this.#exitCode;
    void this.#closeAdmin().finally(() => this.#resolveEnded(this.#exitCode));
  }
}
