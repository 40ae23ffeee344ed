// The supervisor's end of all control lines: a Unix socket in a folder of its own, which only this user
// may enter. Workers come to it by path, so that they find the supervisor again after a new version has
// taken its place.

import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionQuery, ConnectionRow } from './connection-list.ts';
import { ControlLine, type SupervisorWords, type WorkerWords } from './control.ts';
import { controlPathIn } from './hand-down.ts';
import { CONNECTIONS_WAIT_MS } from './limits.ts';
import type { SupervisorLine, WorkerProcess } from './worker-process.ts';

/** Its hello must come within this time. */
const HELLO_TIMEOUT_MS = 5_000;
const FOLDER_MODE = 0o700;

export interface ControlHandler {
  /** Who that is; undefined for a stranger, whose line is closed. */
  find(serial: number, pid: number): WorkerProcess | undefined;
  joined(worker: WorkerProcess): void;
  stateChanged(worker: WorkerProcess, state: WorkerWords['state']['state']): void;
  joinedBus(worker: WorkerProcess): void;
  asked(action: WorkerWords['ask']['action']): void;
}

/** A new folder for a supervisor's sockets. */
export function makeControlFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'));
  chmodSync(folder, FOLDER_MODE);
  return folder;
}

export class ControlServer {
  readonly folder: string;
  readonly #server: Server;
  readonly #handler: ControlHandler;
  readonly #beatMs: number;
  readonly #lists = new Map<number, (rows: readonly ConnectionRow[] | undefined) => void>();
  #nextList = 1;

  constructor(folder: string, handler: ControlHandler, beatMs: number) {
    this.folder = folder;
    this.#handler = handler;
    this.#beatMs = beatMs;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  listen(): Promise<void> {
    const path = controlPathIn(this.folder);
    // The socket of the program whose place we have taken. Workers look again and again until ours is there.
    rmSync(path, { force: true });
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(path, resolve);
    });
  }

  close(): void {
    this.#server.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Asks a worker for its sockets. @returns undefined when it has not answered in time */
  list(
    worker: WorkerProcess,
    query: ConnectionQuery,
  ): Promise<readonly ConnectionRow[] | undefined> {
    const id = this.#nextList++;
    worker.line?.say('list', { id, query });
    return new Promise((resolve) => {
      const settle = (rows: readonly ConnectionRow[] | undefined): void => {
        clearTimeout(timer);
        this.#lists.delete(id);
        resolve(rows);
      };
      const timer = setTimeout(() => settle(undefined), CONNECTIONS_WAIT_MS);
      this.#lists.set(id, settle);
      if (worker.line === undefined) settle(undefined);
    });
  }

  #listed({ id, rows }: WorkerWords['listed']): void {
    this.#lists.get(id)?.(rows);
  }

  #accept(socket: Socket): void {
    let worker: WorkerProcess | undefined;
    const timer = setTimeout(() => socket.destroy(), HELLO_TIMEOUT_MS);
    const line: SupervisorLine = new ControlLine<WorkerWords, SupervisorWords>(
      socket,
      (said) => {
        if (said.name === 'hello') {
          clearTimeout(timer);
          worker = this.#greet(line, said.body);
        }
        if (worker === undefined) line.close();
        else this.#heard(worker, said);
      },
      () => {
        clearTimeout(timer);
        if (worker?.line === line) worker.line = undefined;
      },
    );
  }

  #greet(line: SupervisorLine, hello: WorkerWords['hello']): WorkerProcess | undefined {
    const worker = this.#handler.find(hello.serial, hello.pid);
    if (worker === undefined || worker.hasEnded) return undefined;
    line.say('welcome', { beatMs: this.#beatMs });
    worker.joined(line, hello.hasBus);
    this.#handler.joined(worker);
    return worker;
  }

  #heard(worker: WorkerProcess, said: Heard): void {
    worker.heardAt = performance.now();
    if (said.name === 'beat') worker.heardBeat(said.body);
    else if (said.name === 'listed') this.#listed(said.body);
    else if (said.name === 'bus') this.#handler.joinedBus(worker);
    else if (said.name === 'ask') this.#handler.asked(said.body.action);
    else if (said.body.state !== worker.state) {
      this.#handler.stateChanged(worker, said.body.state);
    }
  }
}

type Heard = Parameters<
  ConstructorParameters<typeof ControlLine<WorkerWords, SupervisorWords>>[1]
>[0];
