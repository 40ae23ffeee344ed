// The supervisor: the life of the whole. It carries no traffic: it keeps the sockets, starts workers in their
// places, hears what they say, and ends when it is told to or nobody can serve, or goes on as its next version.

import { SluiceError } from '../base/errors.ts';
import { errorName } from '../native/error-names.ts';
import { openAdminSocket } from './admin-socket.ts';
import type { WorkerState, WorkerWords } from './control.ts';
import { ControlServer } from './control-server.ts';
import { SocketCoverage } from './coverage.ts';
import { renumbered } from './hand-down.ts';
import { type Holdings, takeHoldings } from './holdings.ts';
import { ANSWER_FIRST_MS, BEAT_MS_MAX, BEATS_PER_HANG } from './limits.ts';
import { type ResolvedOptions, resolveOptions } from './options.ts';
import { OrphanReaper } from './orphans.ts';
import { Places } from './places.ts';
import { checkProgram } from './program-check.ts';
import { listenToSignals } from './signals.ts';
import { replaceThisProgram, type Succession } from './succession.ts';
import { SupervisorAdmin } from './supervisor-admin.ts';
import type { Supervisor, SupervisorOptions, WorkerReport } from './types.ts';
import { InheritedChildren, startWorker } from './worker-child.ts';
import { WorkerProcess } from './worker-process.ts';
import { WorkerWatch } from './worker-watch.ts';

/**
 * Opens the sockets, takes the pid file and starts the workers, which run the same program: there
 * workerRole() says so. After upgrade() it goes on with what the program before had.
 * @throws SluiceError (rejects) ERR_ARG_RANGE, ERR_ARG_TYPE; ERR_RUNNING and ERR_SYSTEM (EADDRINUSE)
 *   when another one runs; ERR_STATE when it may not become the user, ERR_DESCRIPTOR for what LISTEN_FDS
 *   has; nothing has been started then
 */
export async function supervise(options: SupervisorOptions): Promise<Supervisor> {
  const resolved = resolveOptions(options);
  const supervisor = new ProcessSupervisor(resolved, await takeHoldings(resolved));
  try {
    await supervisor.start();
  } catch (error) {
    supervisor.release();
    throw error;
  }
  return supervisor;
}

class ProcessSupervisor implements Supervisor {
  readonly ports: readonly number[];
  readonly ready: Promise<void>;
  readonly ended: Promise<number>;
  readonly #options: ResolvedOptions;
  readonly #holdings: Holdings;
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
  #wasReady = false;
  #exitCode = 0;
  #reloading: Promise<void> | undefined;
  #upgrading: Promise<never> | undefined;
  #resolveReady: () => void = () => undefined;
  #resolveEnded: (code: number) => void = () => undefined;

  constructor(options: ResolvedOptions, holdings: Holdings) {
    this.#options = options;
    this.#holdings = holdings;
    const { sockets, folder } = holdings;
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
      // What runs since before an upgrade has started long ago.
      isStarting: () =>
        options.startTogether && !this.#wasReady && this.#holdings.succession === undefined,
      gaveUp: (text) => this.#giveUp(text),
      emptied: () => this.release(),
    });
    const hangMs = options.hangTimeoutMs;
    const beatMs = hangMs === 0 ? BEAT_MS_MAX : Math.min(BEAT_MS_MAX, hangMs / BEATS_PER_HANG);
    this.#control = new ControlServer(folder, this, beatMs);
    this.#watch = new WorkerWatch(options, beatMs, {
      workers: () => this.#places.workers,
      hung: () => this.#workersChanged(),
      recycle: (worker) => this.#places.recycle(worker),
    });
  }

  async start(): Promise<void> {
    const { succession, manager } = this.#holdings;
    if (succession !== undefined) this.#adopt(succession);
    await this.#control.listen();
    await this.#openAdmin();
    if (this.#options.handleSignals) {
      this.#stopSignals = listenToSignals({
        stop: (graceful) => void this.stop({ graceful }),
        reload: () => this.#reloadUnasked('SIGHUP'),
        upgrade: () => this.#upgradeUnasked('SIGUSR2'),
        kill: () => this.#places.killAll(),
      });
    }
    this.#places.startAll();
    manager.startWatchdog(() => this.#isStopping || this.#places.servingCount > 0);
    // Whoever serves still is of the version before.
    if (succession !== undefined) this.#reloadUnasked('upgraded', (worker) => worker.isInherited);
  }

  /** Goes on with the workers of the program before; they will find our socket where its was. */
  #adopt({ workers, nextSerial }: Succession): void {
    const children = new InheritedChildren();
    this.#nextSerial = nextSerial;
    for (const record of workers) {
      const worker = new WorkerProcess(this.#options, children.watch(record.pid), record);
      this.#places.adopt(worker, record);
    }
    this.#workersChanged();
  }

  async #openAdmin(): Promise<void> {
    const { adminSocket, version } = this.#options;
    if (adminSocket === undefined) return;
    const source = new SupervisorAdmin(
      {
        workers: () => this.#places.workers,
        list: (worker, query) => this.#control.list(worker, query),
        reload: () => this.reload(),
        restart: () => this.#restart(),
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
      throw error;
    }
  }

  get workers(): readonly WorkerReport[] {
    return this.#places.workers.map((worker) => worker.report());
  }

  reload({ slots }: { readonly slots?: readonly number[] } = {}): Promise<void> {
    return this.#replaceWorkers(({ slot }) => slots?.includes(slot) ?? true);
  }

  #replaceWorkers(isDue: (worker: WorkerProcess) => boolean): Promise<void> {
    if (this.#isStopping) return Promise.reject(new SluiceError('ERR_STATE', 'It is stopping.'));
    // One that was asked for while another runs begins after it: the program may have changed again.
    const before = this.#reloading?.catch(() => undefined) ?? Promise.resolve();
    const reloading = before
      .then(() => this.#options.beforeReload())
      .then(() => this.#places.replaceAll(isDue));
    this.#reloading = reloading;
    const { manager } = this.#holdings;
    manager.reloading();
    const done = (): void => {
      // Once for all that were asked for meanwhile.
      if (this.#reloading === reloading && !this.#isStopping) manager.ready();
    };
    reloading.then(done, done);
    return reloading;
  }

  #reloadUnasked(why: string, isDue: (worker: WorkerProcess) => boolean = () => true): void {
    this.#options.log.info({ why }, 'reload');
    this.#replaceWorkers(isDue).catch((error: unknown) => {
      this.#options.log.error({ error: String(error) }, 'reload failed');
    });
  }

  upgrade(): Promise<never> {
    return this.#upgradeAfter(() => checkProgram(this.#options));
  }

  #upgradeAfter(check: () => Promise<void>): Promise<never> {
    this.#upgrading ??= this.#upgrade(check).finally(() => {
      this.#upgrading = undefined;
    });
    return this.#upgrading;
  }

  /** Resolves when the new version has passed its check, and will take over in a moment. */
  async #restart(): Promise<void> {
    await checkProgram(this.#options);
    const checked = (): Promise<void> => Promise.resolve();
    setTimeout(() => this.#upgradeUnasked('a restart was asked for', checked), ANSWER_FIRST_MS);
  }

  async #upgrade(check: () => Promise<void>): Promise<never> {
    await check();
    await this.#reloading?.catch(() => undefined);
    if (this.#isStopping) throw new SluiceError('ERR_STATE', 'It is stopping.');
    const { manager, folder, sockets, pidFile } = this.#holdings;
    const succession = {
      pid: process.pid,
      folder,
      nextSerial: this.#nextSerial,
      ...(pidFile === undefined ? {} : { pidFile: pidFile.held }),
      addresses: sockets.kept,
      workers: this.#places.records(),
    };
    this.#options.log.info({ file: process.execPath }, 'the new version takes over');
    manager.reloading();
    const errno = replaceThisProgram(succession, manager.variables);
    manager.ready();
    const text = `execve ${errorName(errno)} ${process.execPath}`;
    throw new SluiceError('ERR_SYSTEM', text, { errno, syscall: 'execve' });
  }

  #upgradeUnasked(why: string, check = () => checkProgram(this.#options)): void {
    this.#options.log.info({ why }, 'upgrade');
    this.#upgradeAfter(check).catch((error: unknown) => {
      this.#options.log.error({ error: String(error) }, 'upgrade failed');
    });
  }

  async stop(options: { readonly graceful?: boolean } = {}): Promise<void> {
    this.#isStopping = true;
    this.#holdings.manager.stopping();
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
    const { addresses, descriptors } = this.#holdings.sockets;
    const handDown = {
      slot,
      count: this.#options.workers,
      serial: this.#nextSerial++,
      folder: this.#control.folder,
      addresses: renumbered(addresses, descriptors),
    };
    const child = startWorker(this.#options, handDown, descriptors);
    return new WorkerProcess(this.#options, child, handDown);
  }

  #workersChanged(): void {
    this.#coverage.update((slot) => this.#places.servingAt(slot));
    this.#sayPeers();
    const { manager } = this.#holdings;
    manager.status(`${this.#places.servingCount} of ${this.#options.workers} workers serve`);
    if (!this.#places.isComplete || this.#wasReady) return;
    this.#wasReady = true;
    // After an upgrade it is said when all are of this version.
    if (this.#holdings.succession === undefined) manager.ready();
    this.#resolveReady();
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

  /** Gives everything back: nobody lives any more, or nobody was started. */
  release(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#watch.stop();
    this.#stopSignals();
    this.#reaper?.stop();
    this.#control.close();
    const { sockets, pidFile, manager } = this.#holdings;
    sockets.close();
    pidFile?.release();
    manager.close();
    if (this.#exitCode !== 0) process.exitCode = this.#exitCode;
    void this.#closeAdmin().finally(() => this.#resolveEnded(this.#exitCode));
  }
}
