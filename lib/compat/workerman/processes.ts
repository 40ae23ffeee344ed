// `count` above 1: each worker has as many processes of its own, under one supervisor. The same program runs
// in all of them; a place of the supervisor says which worker a process is.

import { constants } from 'node:os';
import { SluiceError } from '../../base/errors.ts';
import { SOCKET_PATH_BYTES_MAX } from '../../process/limits.ts';
import { supervise } from '../../process/supervisor.ts';
import type {
  SupervisedAddress,
  Supervisor,
  WorkerEvent,
  WorkerRole,
} from '../../process/types.ts';
import { adminSocketOf } from './command-line.ts';
import { processLog } from './process-log.ts';
import { TcpConnection } from './tcp-connection.ts';
import type { Worker } from './worker.ts';
import { describeConnection, WorkerServer } from './worker-server.ts';

/** Ids of a process's connections: its serial, which never repeats, and a count below it. */
const IDS_PER_PROCESS = 2 ** 32;

/** Tells a process that it stays at a reload. SIGUSR1 is Node's own: it shows the stack of one that hangs. */
const STAY_SIGNAL = 'SIGUSR2';

export interface SuperviseSettings {
  /** Empty: none. */
  readonly pidFile: string;
  readonly stopTimeoutMs: number;
  readonly onExit: (worker: Worker, status: number, pid: number) => void;
}

/** The places of each worker, in the order of their making. */
function placesOf(workers: readonly Worker[]): { worker: Worker; slots: number[] }[] {
  let next = 0;
  return workers.map((worker) => ({
    worker,
    slots: Array.from({ length: worker.count }, () => next++),
  }));
}

/** @throws SluiceError (rejects) as supervise() */
export async function superviseWorkers(
  workers: readonly Worker[],
  settings: SuperviseSettings,
): Promise<Supervisor> {
  const places = placesOf(workers);
  const listening = places.filter(({ worker }) => worker.place !== undefined);
  const supervisor = await supervise({
    workers: places.reduce((sum, { slots }) => sum + slots.length, 0),
    listen: listening.map(({ worker, slots }) => ({ ...addressOf(worker), slots })),
    ...adminOf(settings.pidFile),
    roles: places.flatMap(({ worker, slots }) => slots.map(() => worker.name)),
    ...userOf(workers),
    stopTimeoutMs: Math.max(1, settings.stopTimeoutMs),
    handleSignals: false,
    onEvent: (event) => {
      const found = places.find(({ slots }) => slots.includes(event.slot));
      if (found !== undefined) note(found.worker, event, settings);
    },
  });
  for (const [index, { worker }] of listening.entries()) {
    worker.servesAt(supervisor.ports[index] ?? 0);
  }
  return supervisor;
}

/**
 * Replaces the processes of all workers that are reloadable; the others call onWorkerReload.
 * @throws SluiceError (rejects) as Supervisor.reload()
 */
export async function reloadWorkers(
  supervisor: Supervisor,
  workers: readonly Worker[],
): Promise<void> {
  const places = placesOf(workers);
  const staying = places.filter(({ worker }) => !worker.reloadable).flatMap(({ slots }) => slots);
  for (const { slot, pid, state } of supervisor.workers) {
    if (state === 'ready' && staying.includes(slot)) process.kill(pid, STAY_SIGNAL);
  }
  const slots = places.flatMap((place) => place.slots).filter((slot) => !staying.includes(slot));
  if (slots.length > 0) await supervisor.reload({ slots });
}

/** The pid file, and beside it the socket on which the processes are asked, if its path is short enough. */
function adminOf(pidFile: string): { pidFile?: string; adminSocket?: string } {
  if (pidFile === '') return {};
  const adminSocket = adminSocketOf(pidFile);
  if (Buffer.byteLength(adminSocket) > SOCKET_PATH_BYTES_MAX) return { pidFile };
  return { pidFile, adminSocket };
}

/** The user of all processes: they share their ports, which the kernel allows to one user. */
function userOf(workers: readonly Worker[]): { user?: string; group?: string } {
  const [{ user, group } = { user: '', group: '' }] = workers;
  if (workers.some((worker) => worker.user !== user || worker.group !== group)) {
    const text = 'With several processes all workers have the same user and group.';
    throw new SluiceError('ERR_UNSUPPORTED', text);
  }
  return { ...(user === '' ? {} : { user }), ...(group === '' ? {} : { group }) };
}

/**
 * Runs the one worker that this process is.
 * @param listening it does; onWorkerStart comes next
 */
export async function serveAs(
  role: WorkerRole,
  workers: readonly Worker[],
  listening: (worker: Worker) => void,
): Promise<void> {
  const found = placesOf(workers).find(({ slots }) => slots.includes(role.slot));
  if (found === undefined) {
    throw new SluiceError('ERR_STATE', 'The program has made other workers than its supervisor.');
  }
  const { worker, slots } = found;
  TcpConnection.firstId = role.serial * IDS_PER_PROCESS;
  worker.id = slots.indexOf(role.slot);
  role.describe(describeConnection);
  await role.serve(new WorkerServer(worker), { ready: false });
  if (!worker.reloadable) process.on(STAY_SIGNAL, () => stay(worker));
  listening(worker);
  await worker.onWorkerStart?.(worker);
  role.ready();
}

function stay(worker: Worker): void {
  try {
    worker.onWorkerReload?.(worker);
  } catch (error) {
    processLog.report(error);
  }
}

function addressOf({ place, backlog }: Worker): SupervisedAddress {
  if (place?.kind === 'port') return { host: place.host, port: place.port, backlog };
  return { path: place?.path ?? '', backlog };
}

function note(worker: Worker, event: WorkerEvent, settings: SuperviseSettings): void {
  const { kind, pid } = event;
  if (kind === 'left') settings.onExit(worker, 0, pid);
  if (kind !== 'died') return;
  const { code, signal } = event;
  const number = constants.signals[signal as NodeJS.Signals] ?? 0;
  processLog.write(`worker[${worker.name}:${pid}] exit with status ${code ?? signal}`);
  settings.onExit(worker, code ?? 128 + number, pid);
}
