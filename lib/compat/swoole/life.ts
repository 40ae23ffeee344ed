// A server from start() to the last connection's end: the loop, its listeners, signals, the heartbeat, the
// pid file. In one process, which is its own master and worker 0; or what it is of a server with several.

import { unlinkSync, writeFileSync } from 'node:fs';
import { nativeFrames } from '../../native/bytes.ts';
import { createLoop, type EventLoop } from '../../net/event-loop.ts';
import { workerRole } from '../../process/worker.ts';
import { Admission } from '../../server/admission/admission.ts';
import { HttpCounters } from '../../server/http/http-counters.ts';
import { raiseUncaught, WebSocketContext } from '../../server/websocket/websocket-context.ts';
import { WORKER_EXIT_MS } from './bounds.ts';
import { type Stats, statsOf } from './client-info.ts';
import { type Client, ClientTable } from './clients.ts';
import { Crew } from './crew.ts';
import type { Callbacks } from './events.ts';
import { Master } from './master.ts';
import { OtherClients } from './other-clients.ts';
import type { Port, PortGround, PortHost } from './port.ts';
import { endClient, leaveClient } from './sending.ts';
import type { Server } from './server.ts';
import { DEFAULTS } from './settings.ts';
import { Timer } from './timer.ts';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
const CODE_GOING_AWAY = 1001;
/** How long connections that were reset may take to be gone. */
const RESET_MS = 1000;

export class Life implements PortHost {
  readonly facade: Server;
  readonly clients = new ClientTable();
  /** Of the other workers. */
  readonly others = new OtherClients();
  readonly http = new HttpCounters();
  readonly counts = { accepted: 0, closed: 0, aborted: 0 };
  readonly ports: Port[] = [];
  /** Timers of the server, which end with it. */
  readonly timers = new Set<number>();
  startedAt = 0;
  isClosing = false;
  loop: EventLoop | undefined;
  context: WebSocketContext | undefined;
  /** At most one of these: a worker process, or the one that starts them. */
  crew: Crew | undefined;
  master: Master | undefined;
  readonly #warned = new Set<string>();
  #isStarted = false;
  #hasPidFile = false;
  #heartbeat: NodeJS.Timeout | undefined;
  #closed: Promise<void> | undefined;
  #drained: Promise<void> | undefined;
  #empty: (() => void) | undefined;
  readonly #onSignal = (): void => {
    this.shutdown().catch((error: unknown) => this.report(error));
  };

  constructor(facade: Server) {
    this.facade = facade;
  }

  get isStarted(): boolean {
    return this.#isStarted;
  }

  get main(): Port {
    const [main] = this.ports;
    if (main === undefined) throw new Error('A server has a port.');
    return main;
  }

  get mainCallbacks(): Callbacks {
    return this.main.callbacks;
  }

  get workerCount(): number {
    return this.main.settings.worker_num ?? 1;
  }

  get taskWorkerCount(): number {
    return this.main.settings.task_worker_num ?? 0;
  }

  /** As in Swoole a single worker that nobody replaces needs no master. */
  get #needsProcesses(): boolean {
    const { max_request: most = 0, user, group } = this.main.settings;
    if (user !== undefined || group !== undefined) return true;
    return this.workerCount > 1 || this.taskWorkerCount > 0 || most > 0;
  }

  /** Of this process. */
  ownStats(): Stats {
    const { loop, context, startedAt, counts, clients, http } = this;
    const sizes = { workers: this.workerCount, taskWorkers: this.taskWorkerCount };
    const bytes = loop?.stats ?? { receivedBytes: 0, sentBytes: 0, queuedBytes: 0 };
    const sources = { startedAt, counts, context, bytes, ...sizes };
    return statsOf({ ...sources, connections: clients.size, answers: http.total });
  }

  // ---- PortHost ----------------------------------------------------------

  report(error: unknown): void {
    const listener = this.main.callbacks.get('error');
    try {
      if (listener === undefined) process.stderr.write(`${textOf(error)}\n`);
      else listener(this.facade, error);
    } catch (second) {
      raiseUncaught(second);
    }
  }

  warn(name: string): void {
    if (this.#warned.has(name)) return;
    this.#warned.add(name);
    process.emitWarning(`The setting ${name} has no effect.`, { type: 'SluiceSwooleWarning' });
  }

  clientGone(): void {
    if (this.clients.size === 0) this.#empty?.();
  }

  // ---- start -------------------------------------------------------------

  start(): void {
    this.#isStarted = true;
    this.startedAt = Date.now();
    this.#begin().catch((error: unknown) => this.#cannotStart(error));
  }

  #begin(): Promise<void> {
    if (!this.#needsProcesses) return this.#open();
    const role = workerRole();
    if (role === undefined) {
      this.master = new Master(this);
      return this.master.begin();
    }
    this.crew = new Crew(this, role);
    return this.crew.begin();
  }

  async #open(): Promise<void> {
    const hosts: string[] = [];
    for (const port of this.ports) hosts.push(await port.probe());
    // Somebody has changed his mind meanwhile.
    if (this.isClosing) return;
    const ground = this.openGround();
    for (const [i, port] of this.ports.entries()) port.listen(ground, hosts[i] ?? '');
    this.#writePidFile();
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
    this.beginHeartbeat();
    const { callbacks } = this.main;
    this.main.call(() => callbacks.get('start')?.(this.facade));
    await this.callWorkerStart(0);
  }

  /** The loop and what all ports share, made when they are first asked for. */
  openGround(): PortGround {
    if (this.loop !== undefined && this.context !== undefined) {
      return { loop: this.loop, context: this.context };
    }
    const loop = createLoop();
    const context = new WebSocketContext({
      loop,
      nativeFrames,
      admission: new Admission(undefined),
      onError: (error) => this.report(error),
      onGone: () => undefined,
    });
    this.loop = loop;
    this.context = context;
    return { loop, context };
  }

  /** Resolves when the callback has; what it throws is reported. */
  async callWorkerStart(id: number): Promise<void> {
    try {
      await this.mainCallbacks.get('workerStart')?.(this.facade, id);
    } catch (error) {
      this.report(error);
    }
  }

  callWorkerStop(): void {
    this.call(() => this.mainCallbacks.get('workerStop')?.(this.facade, this.facade.worker_id));
  }

  /** Calls a callback for nobody in particular. */
  call(callback: () => unknown): void {
    this.main.call(callback);
  }

  /** Without a listener for `error` nobody would know: the process ends. */
  async #cannotStart(error: unknown): Promise<void> {
    await this.#release();
    if (this.main.callbacks.get('error') === undefined) raiseUncaught(error);
    else this.report(error);
  }

  #writePidFile(): void {
    const { pid_file: file } = this.main.settings;
    if (file === undefined) return;
    writeFileSync(file, `${process.pid}`);
    this.#hasPidFile = true;
  }

  // ---- heartbeat ---------------------------------------------------------

  beginHeartbeat(): void {
    const { heartbeat_check_interval: seconds = 0 } = this.main.settings;
    if (seconds <= 0) return;
    this.#heartbeat = setInterval(() => this.closeIdle(), seconds * 1000);
    this.#heartbeat.unref();
  }

  /** Connections from which nothing has come for heartbeat_idle_time; protected ones are none. */
  idleClients(): Client[] {
    const { heartbeat_check_interval: interval = 0, heartbeat_idle_time } = this.main.settings;
    const idleMs = (heartbeat_idle_time ?? 2 * interval) * 1000;
    if (idleMs <= 0) return [];
    const now = Date.now();
    const idle: Client[] = [];
    for (const client of this.clients.clients()) {
      if (client.isProtected || now - client.lastReceivedAt < idleMs) continue;
      if (!hasMoved(client, now)) idle.push(client);
    }
    return idle;
  }

  /** @returns their numbers */
  closeIdle(): number[] {
    const idle = this.idleClients();
    for (const client of idle) this.main.call(() => endClient(client, false));
    return idle.map(({ fd }) => fd);
  }

  // ---- the end -----------------------------------------------------------

  shutdown(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const { callbacks, settings } = this.main;
    const { facade } = this;
    this.main.call(() => callbacks.get('beforeShutdown')?.(facade));
    const waitMs = (settings.max_wait_time ?? DEFAULTS.waitSeconds) * 1000;
    await this.drain(CODE_GOING_AWAY, 0, waitMs);
    await this.#release();
    this.main.call(() => callbacks.get('shutdown')?.(facade));
  }

  /** Ends all connections: over the window those that can, after the deadline the others. Once. */
  drain(code: number, windowMs: number, deadlineMs: number): Promise<void> {
    this.#drained ??= this.#drain(code, windowMs, deadlineMs);
    return this.#drained;
  }

  async #drain(code: number, windowMs: number, deadlineMs: number): Promise<void> {
    const { callbacks } = this.main;
    const { facade } = this;
    this.isClosing = true;
    if (this.context !== undefined) this.context.isClosing = true;
    for (const port of this.ports) port.close();
    for (const id of this.timers) Timer.clear(id);
    this.timers.clear();
    const leaving: NodeJS.Timeout[] = [];
    for (const client of [...this.clients.clients()]) {
      if (windowMs === 0) leaveClient(client, code);
      else leaving.push(setTimeout(leaveClient, Math.random() * windowMs, client, code));
    }
    const workerExit = (): void =>
      this.main.call(() => callbacks.get('workerExit')?.(facade, facade.worker_id));
    if (this.clients.size > 0) workerExit();
    const repeated = setInterval(workerExit, WORKER_EXIT_MS);
    await this.#whenEmpty(windowMs + deadlineMs);
    clearInterval(repeated);
    for (const timer of leaving) clearTimeout(timer);
    for (const client of [...this.clients.clients()]) endClient(client, true);
    await this.#whenEmpty(RESET_MS);
    this.callWorkerStop();
  }

  /** Resolves when nobody is connected, or after that time. */
  #whenEmpty(ms: number): Promise<void> {
    if (this.clients.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const deadline = setTimeout(resolve, ms);
      this.#empty = () => {
        clearTimeout(deadline);
        resolve();
      };
    });
  }

  async #release(): Promise<void> {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
    clearInterval(this.#heartbeat);
    for (const port of this.ports) port.close();
    await this.loop?.close();
    this.context?.deflate?.close();
    const { pid_file: file } = this.main.settings;
    if (this.#hasPidFile && file !== undefined) unlinkSync(file);
    this.#hasPidFile = false;
  }
}

/** Bytes have come that no message was made of: a part of one, a control frame. */
function hasMoved(client: Client, now: number): boolean {
  const { receivedBytes } = client.connection.readCounters();
  if (receivedBytes === client.receivedSeen) return false;
  client.receivedSeen = receivedBytes;
  client.lastReceivedAt = now;
  return true;
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
