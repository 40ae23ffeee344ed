// The supervisor: one place per worker, and in each at most one worker that serves, one that is about to
// replace it, and some that drain. It carries no traffic.
//
//   start ──► incoming ── ready ──► current ── reload, recycling ──► leaving ──► gone
//                │                     │
//                └── dies ──► waits ◄──┘ dies

import { SluiceError } from '../base/errors.ts';
import { RestartBackoff } from './backoff.ts';
import type { WorkerState, WorkerWords } from './control.ts';
import { ControlServer } from './control-server.ts';
import { SocketCoverage } from './coverage.ts';
import { renumbered } from './hand-down.ts';
import { BEAT_MS_MAX, BEATS_PER_HANG, DRAINING_PER_SLOT_MAX } from './limits.ts';
import { ListeningSockets } from './listening-sockets.ts';
import { type ResolvedOptions, resolveOptions } from './options.ts';
import { OrphanReaper } from './orphans.ts';
import { PidFile } from './pid-file.ts';
import { listenToSignals } from './signals.ts';
import type { Supervisor, SupervisorOptions, WorkerReport } from './types.ts';
import { type Ending, WorkerProcess } from './worker-process.ts';
import { WorkerWatch } from './worker-watch.ts';

const CODE_RESTART = 1012;
const CODE_GOING_AWAY = 1001;

interface Place {
  readonly slot: number;
  readonly backoff: RestartBackoff;
  current: WorkerProcess | undefined;
  incoming: WorkerProcess | undefined;
  readonly leaving: Set<WorkerProcess>;
  restart: NodeJS.Timeout | undefined;
  /** Of a replacement under way. */
  settled: { resolve(): void; reject(error: Error): void } | undefined;
}

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
  readonly #places: readonly Place[];
  readonly #watch: WorkerWatch;
  readonly #reaper = process.pid === 1 ? new OrphanReaper() : undefined;
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
    this.#places = Array.from({ length: options.workers }, (_, slot) => ({
      slot,
      backoff: new RestartBackoff(),
      current: undefined,
      incoming: undefined,
      leaving: new Set<WorkerProcess>(),
      restart: undefined,
      settled: undefined,
    }));
    const hangMs = options.hangTimeoutMs;
    const beatMs = hangMs === 0 ? BEAT_MS_MAX : Math.min(BEAT_MS_MAX, hangMs / BEATS_PER_HANG);
    this.#control = new ControlServer(this, beatMs);
    this.#watch = new WorkerWatch(options, beatMs, {
      workers: () => this.#workers(),
      hung: () => this.#coverWhatIsLeft(),
      recycle: (worker) => this.#recycle(worker),
    });
  }

  async start(): Promise<void> {
    await this.#control.listen();
    if (this.#options.handleSignals) {
      this.#stopSignals = listenToSignals({
        stop: (graceful) => void this.stop({ graceful }),
        reload: () => this.#reloadUnasked('SIGHUP'),
        kill: () => this.#killAll(),
      });
    }
    for (const place of this.#places) this.#startIn(place);
  }

  get workers(): readonly WorkerReport[] {
    return this.#workers().map((worker) => worker.report());
  }

  // ---- replacing ---------------------------------------------------------

  reload(): Promise<void> {
    if (this.#isStopping) return Promise.reject(new SluiceError('ERR_STATE', 'It is stopping.'));
    // One that was asked for while another runs begins after it: the program may have changed again.
    const before = this.#reloading?.catch(() => undefined) ?? Promise.resolve();
    const reloading = before.then(() => this.#replaceAll());
    this.#reloading = reloading;
    return reloading;
  }

  async #replaceAll(): Promise<void> {
    for (const place of this.#places) {
      if (this.#isStopping) return;
      await this.#replace(place);
    }
  }

  /** Resolves when a new worker serves in the place; the one before drains then. */
  async #replace(place: Place): Promise<void> {
    if (place.leaving.size >= DRAINING_PER_SLOT_MAX) {
      await Promise.race([...place.leaving].map((worker) => worker.ended));
    }
    if (place.incoming !== undefined) await this.#settling(place).catch(() => undefined);
    if (this.#isStopping) return;
    clearTimeout(place.restart);
    const settling = this.#settling(place);
    this.#startIn(place);
    await settling;
  }

  #settling(place: Place): Promise<void> {
    const before = place.settled;
    return new Promise((resolve, reject) => {
      place.settled = {
        resolve: () => {
          before?.resolve();
          resolve();
        },
        reject: (error) => {
          before?.reject(error);
          reject(error);
        },
      };
    });
  }

  #recycle(worker: WorkerProcess): void {
    const place = this.#placeOf(worker);
    if (this.#isStopping || place.current !== worker || place.incoming !== undefined) return;
    this.#replace(place).catch((error: unknown) => this.#warn('recycling failed', error));
  }

  #reloadUnasked(why: string): void {
    this.#options.log.info({ why }, 'reload');
    this.reload().catch((error: unknown) => this.#warn('reload failed', error));
  }

  #warn(message: string, error: unknown): void {
    this.#options.log.error({ error: String(error) }, message);
  }

  // ---- starting and ending -----------------------------------------------

  #startIn(place: Place): void {
    place.restart = undefined;
    const descriptors = this.#sockets.descriptors;
    const handDown = {
      slot: place.slot,
      count: this.#options.workers,
      serial: this.#nextSerial++,
      folder: this.#control.folder,
      addresses: renumbered(this.#sockets.addresses, descriptors),
    };
    const worker = new WorkerProcess(this.#options, handDown, descriptors);
    place.incoming = worker;
    worker.setDeadline(this.#options.readyTimeoutMs);
    void worker.ended.then((ending) => this.#gone(place, worker, ending));
    this.#tell('started', worker);
  }

  #gone(place: Place, worker: WorkerProcess, ending: Ending): void {
    const hasLeft = place.leaving.delete(worker) && ending.code === 0;
    const wasIncoming = place.incoming === worker;
    if (wasIncoming) place.incoming = undefined;
    if (place.current === worker) place.current = undefined;
    if (hasLeft || this.#isStopping) this.#tell('left', worker);
    else this.#died(place, worker, ending);
    this.#coverWhatIsLeft();
    if (wasIncoming) {
      const text = `Worker ${place.slot} ${endingText(worker, ending)}.`;
      place.settled?.reject(new SluiceError('ERR_STATE', text));
      place.settled = undefined;
    }
    if (this.#isStopping && this.#workers().length === 0) this.#finish();
  }

  #died(place: Place, worker: WorkerProcess, ending: Ending): void {
    const isEmpty = place.current === undefined && place.incoming === undefined;
    const restartInMs = isEmpty ? place.backoff.died(worker.readyMs) : 0;
    const wasReady = worker.readyAt !== undefined;
    const { slot, pid } = worker;
    const { log, onEvent } = this.#options;
    log.error({ slot, pid, ...ending, wasReady, restartInMs }, 'worker died');
    onEvent({ kind: 'died', slot, pid, ...ending, wasReady, restartInMs });
    if (!isEmpty) return;
    const isLooping = this.#places.every(
      (each) => each.backoff.isLooping && each.current === undefined,
    );
    if (isLooping) this.#giveUp(worker, ending);
    else place.restart = setTimeout(() => this.#startIn(place), restartInMs);
  }

  /** The brake of a crash loop. */
  #giveUp(worker: WorkerProcess, ending: Ending): void {
    const { crashes } = this.#placeOf(worker).backoff;
    const text = `worker ${worker.slot} ${endingText(worker, ending)}, ${crashes} times in a row`;
    const error = new SluiceError('ERR_CRASH_LOOP', `No worker can serve: ${text}.`);
    this.#options.log.error({ code: error.code }, error.message);
    process.stderr.write(`sluice: ${error.message}\n`);
    this.#exitCode = 1;
    void this.stop();
  }

  async stop(options: { readonly graceful?: boolean } = {}): Promise<void> {
    const isGraceful = options.graceful === true;
    const { drainWindowMs, drainDeadlineMs, stopTimeoutMs } = this.#options;
    this.#isStopping = true;
    for (const place of this.#places) {
      clearTimeout(place.restart);
      if (place.current !== undefined) place.leaving.add(place.current);
      place.incoming?.kill();
      place.current = undefined;
      for (const worker of place.leaving) {
        if (isGraceful) this.#leave(worker, CODE_RESTART, drainWindowMs, drainDeadlineMs);
        else this.#leave(worker, CODE_GOING_AWAY, 0, stopTimeoutMs);
      }
    }
    if (this.#workers().length === 0) this.#finish();
    await this.ended;
  }

  /** Tells a worker to end; the deadline is kept here. */
  #leave(worker: WorkerProcess, code: number, windowMs: number, deadlineMs: number): void {
    worker.line?.say('leave', { code, windowMs, restMs: deadlineMs - windowMs });
    // Whoever cannot be told has nothing to wait for.
    worker.setDeadline(worker.line === undefined ? 0 : deadlineMs);
  }

  #killAll(): void {
    for (const worker of this.#workers()) worker.kill();
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
    this.#resolveEnded(this.#exitCode);
  }

  // ---- ControlHandler ----------------------------------------------------

  find(serial: number, pid: number): WorkerProcess | undefined {
    return this.#workers().find((worker) => worker.serial === serial && worker.pid === pid);
  }

  joined(worker: WorkerProcess): void {
    this.#sayPeers();
    if (worker.state === 'ready') this.#coverWhatIsLeft();
  }

  stateChanged(worker: WorkerProcess, state: WorkerState): void {
    worker.state = state;
    const place = this.#placeOf(worker);
    if (state === 'ready' && place.incoming === worker) this.#becomesCurrent(place, worker);
    // It was told to by somebody else: whoever goes is replaced first, as far as there is time.
    if (state === 'draining' && place.current === worker) {
      place.current = undefined;
      place.leaving.add(worker);
      worker.setDeadline(this.#options.drainDeadlineMs);
      if (place.incoming === undefined && !this.#isStopping) this.#startIn(place);
      this.#tell('draining', worker);
    }
    this.#coverWhatIsLeft();
  }

  joinedBus(worker: WorkerProcess): void {
    worker.hasBus = true;
    this.#sayPeers();
  }

  asked(action: WorkerWords['ask']['action']): void {
    if (action === 'reload') this.#reloadUnasked('a worker asked');
    else void this.stop({ graceful: action === 'stop-gracefully' });
  }

  #becomesCurrent(place: Place, worker: WorkerProcess): void {
    const { drainWindowMs, drainDeadlineMs } = this.#options;
    const before = place.current;
    worker.readyAt = performance.now();
    worker.clearDeadline();
    place.incoming = undefined;
    place.current = worker;
    this.#tell('ready', worker);
    if (before !== undefined) {
      place.leaving.add(before);
      this.#tell('draining', before);
      this.#leave(before, CODE_RESTART, drainWindowMs, drainDeadlineMs);
    }
    place.settled?.resolve();
    place.settled = undefined;
    if (this.#places.every((each) => each.current !== undefined)) this.#resolveReady();
  }

  // ------------------------------------------------------------------------

  #workers(): WorkerProcess[] {
    return this.#places
      .flatMap((place) => [place.current, place.incoming, ...place.leaving])
      .filter((worker) => worker !== undefined);
  }

  #placeOf(worker: WorkerProcess): Place {
    return this.#places[worker.slot] as Place;
  }

  #coverWhatIsLeft(): void {
    this.#coverage.update((slot) => {
      const current = this.#places[slot]?.current;
      return current?.isServing === true ? current : undefined;
    });
    this.#sayPeers();
  }

  #sayPeers(): void {
    const workers = this.#workers().filter((worker) => worker.line !== undefined && worker.hasBus);
    const serials = workers.map((worker) => worker.serial);
    for (const worker of workers) worker.line?.say('peers', { serials });
  }

  #tell(kind: 'started' | 'ready' | 'draining' | 'left', worker: WorkerProcess): void {
    const { slot, pid } = worker;
    this.#options.log.info({ slot, pid }, `worker ${kind}`);
    this.#options.onEvent({ kind, slot, pid });
  }
}

function endingText(worker: WorkerProcess, { code, signal }: Ending): string {
  const how = signal === null ? `exited with ${code}` : `was ended by ${signal}`;
  return worker.readyAt === undefined ? `${how} before it was ready` : how;
}
