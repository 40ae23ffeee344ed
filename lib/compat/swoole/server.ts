// The server of the Swoole API: the names that a program calls. What they do is in the files beside it.

import { SluiceError } from '../../base/errors.ts';
import type { SendOutcome } from '../../server/types.ts';
import { CLIENT_PAGE_DEFAULT, CLIENT_PAGE_MAX } from './bounds.ts';
import { type ClientInfo, clientInfoOf, type Stats, statsOf } from './client-info.ts';
import type { Client } from './clients.ts';
import { ConnectionList } from './clients.ts';
import {
  SWOOLE_BASE,
  SWOOLE_SOCK_TCP,
  SWOOLE_WEBSOCKET_FLAG_FIN,
  WEBSOCKET_OPCODE_TEXT,
} from './constants.ts';
import type { ServerEvents } from './events.ts';
import { guarded } from './events.ts';
import { Frame, type FrameData } from './frame.ts';
import { Life } from './life.ts';
import { Port } from './port.ts';
import { Sending } from './sending.ts';
import type { Settings } from './settings.ts';
import { Timer } from './timer.ts';

export class Server {
  readonly mode: number;
  readonly type: number;
  readonly connections: ConnectionList;
  readonly #life: Life;
  readonly #sending: Sending;
  readonly #main: Port;

  /**
   * @param host a name or an address; the path, for SWOOLE_SOCK_UNIX_STREAM
   * @param port 0: of the kernel's choice
   * @param mode all modes are one process
   * @throws SluiceError ERR_UNSUPPORTED for UDP
   */
  constructor(
    host = '0.0.0.0',
    port = 0,
    mode: number = SWOOLE_BASE,
    type: number = SWOOLE_SOCK_TCP,
  ) {
    this.mode = mode;
    this.type = type;
    this.#life = new Life(this);
    this.#main = new Port(this.#life, host, port, type);
    this.#life.ports.push(this.#main);
    this.connections = new ConnectionList(this.#life.clients);
    this.#sending = new Sending(
      this.#life.clients,
      () => this.setting.buffer_output_size ?? Number.POSITIVE_INFINITY,
    );
  }

  static pack(data: Frame | FrameData, opcode?: number, flags?: number): Buffer {
    return Frame.pack(data, opcode, flags);
  }

  static unpack(bytes: FrameData): Frame | false {
    return Frame.unpack(bytes);
  }

  // ---- properties --------------------------------------------------------

  get setting(): Readonly<Settings> {
    return this.#main.settings;
  }

  get host(): string {
    return this.#main.address;
  }

  /** What the kernel has chosen, from `start` on. */
  get port(): number {
    return this.#main.port;
  }

  get ports(): readonly Port[] {
    return [...this.#life.ports];
  }

  get ssl(): boolean {
    return this.#main.isSecure;
  }

  get master_pid(): number {
    return this.#life.isStarted ? process.pid : 0;
  }

  /** There is no manager process. */
  readonly manager_pid = 0;

  /** -1 before start(). */
  get worker_id(): number {
    return this.#life.isStarted ? 0 : -1;
  }

  get worker_pid(): number {
    return this.master_pid;
  }

  readonly taskworker = false;

  // ---- before start ------------------------------------------------------

  set(settings: Settings): boolean {
    return this.#main.set(settings);
  }

  /** Names do not distinguish cases. @throws SluiceError ERR_ARG_RANGE, ERR_UNSUPPORTED, ERR_ARG_TYPE */
  on<Name extends keyof ServerEvents>(name: Name, callback: ServerEvents[Name]): boolean;
  on(name: string, callback: (...args: never[]) => unknown): boolean;
  on(name: string, callback: (...args: never[]) => unknown): boolean {
    return this.#main.on(name, callback);
  }

  /** @returns null without one */
  getCallback(name: string): unknown {
    return this.#main.callbacks.find(name) ?? null;
  }

  /** Another port, with settings and callbacks of its own where it has some. */
  listen(host: string, port: number, type: number = SWOOLE_SOCK_TCP): Port {
    if (this.#life.isStarted) throw new SluiceError('ERR_STATE', 'listen() comes before start().');
    const added = new Port(this.#life, host, port, type, this.#main);
    this.#life.ports.push(added);
    return added;
  }

  addlistener(host: string, port: number, type?: number): Port {
    return this.listen(host, port, type);
  }

  /**
   * Begins to listen, and returns at once: the event loop is Node's. `start` says that the ports are
   * open; one that cannot be opened goes to `error`, or else ends the process.
   * @throws SluiceError ERR_STATE without a callback for what comes in, or the second time
   */
  start(): boolean {
    if (this.#life.isStarted) throw new SluiceError('ERR_STATE', 'The server was started.');
    for (const port of this.#life.ports) port.check();
    this.#life.start();
    return true;
  }

  /** Stops accepting, closes WebSockets with 1001, waits max_wait_time, and lets the process end. */
  shutdown(): boolean {
    if (!this.#life.isStarted) return false;
    this.#report(this.#life.shutdown());
    return true;
  }

  /** The only worker is the server. */
  stop(workerId = -1): boolean {
    return (workerId === -1 || workerId === 0) && this.shutdown();
  }

  // ---- sending -----------------------------------------------------------

  /** @returns false when it was not taken: getLastError() says why */
  push(
    fd: number,
    data: Frame | FrameData,
    opcode: number = WEBSOCKET_OPCODE_TEXT,
    flags: number = SWOOLE_WEBSOCKET_FLAG_FIN,
  ): boolean {
    return this.#sending.push(fd, data, opcode, flags);
  }

  /** Begins the closing handshake. */
  disconnect(fd: number, code = 1000, reason = ''): boolean {
    return this.#sending.disconnect(fd, code, reason);
  }

  /** @param data up to 125 bytes */
  ping(fd: number, data: FrameData = ''): boolean {
    return this.#sending.ping(fd, data);
  }

  send(fd: number | string, data: FrameData): boolean {
    return this.#sending.send(Number(fd), data);
  }

  sendfile(fd: number, path: string, offset = 0, length = 0): boolean {
    return this.#sending.sendFile(fd, path, offset, length);
  }

  close(fd: number, reset = false): boolean {
    return this.#sending.close(fd, reset);
  }

  getLastError(): number {
    return this.#sending.lastError;
  }

  /** Ours: 'queued' is taken, and waits for a slow peer. */
  get lastOutcome(): SendOutcome {
    return this.#sending.lastOutcome;
  }

  // ---- connections -------------------------------------------------------

  isEstablished(fd: number): boolean {
    return this.#life.clients.get(fd)?.socket?.isOpen === true;
  }

  exist(fd: number): boolean {
    return this.#life.clients.get(fd)?.connection.isOpen === true;
  }

  exists(fd: number): boolean {
    return this.exist(fd);
  }

  /** No message comes from there until resume(). */
  pause(fd: number): boolean {
    return this.#with(fd, (client) => (client.socket ?? client.connection).pause());
  }

  resume(fd: number): boolean {
    return this.#with(fd, (client) => (client.socket ?? client.connection).resume());
  }

  confirm(fd: number): boolean {
    return this.resume(fd);
  }

  /** The heartbeat spares it. */
  protect(fd: number, isProtected = true): boolean {
    return this.#with(fd, (client) => {
      client.isProtected = isProtected;
    });
  }

  /** Names whose connection it is, once; getClientInfo() tells. */
  bind(fd: number, uid: number): boolean {
    const client = this.#life.clients.get(fd);
    if (client === undefined || client.uid !== undefined) return false;
    client.uid = uid;
    return true;
  }

  getClientInfo(fd: number): ClientInfo | false {
    const client = this.#life.clients.get(fd);
    return client === undefined ? false : clientInfoOf(client, this.worker_id);
  }

  connection_info(fd: number): ClientInfo | false {
    return this.getClientInfo(fd);
  }

  /**
   * The next numbers, in order.
   * @param after the last one of the page before; 0 for the first page
   * @param count 1..100
   * @returns false when there are no more
   * @throws SluiceError ERR_ARG_RANGE
   */
  getClientList(after = 0, count = CLIENT_PAGE_DEFAULT): number[] | false {
    if (!Number.isInteger(count) || count < 1 || count > CLIENT_PAGE_MAX) {
      throw new SluiceError('ERR_ARG_RANGE', `A page has 1 to ${CLIENT_PAGE_MAX} connections.`);
    }
    const page = this.#life.clients.page(after, count);
    return page.length === 0 ? false : page;
  }

  connection_list(after?: number, count?: number): number[] | false {
    return this.getClientList(after, count);
  }

  /** @returns who is idle by heartbeat_idle_time; they are closed if asked to */
  heartbeat(closeIdle = true): number[] {
    return closeIdle ? this.#life.closeIdle() : this.#life.idleClients().map(({ fd }) => fd);
  }

  /** @throws SluiceError ERR_STATE before `start` */
  stats(): Stats {
    const { loop, context, startedAt, counts, clients, http } = this.#life;
    if (loop === undefined || context === undefined) {
      throw new SluiceError('ERR_STATE', 'stats() comes after start.');
    }
    const sources = { startedAt, counts, context, bytes: loop.stats };
    return statsOf({ ...sources, connections: clients.size, answers: http.total });
  }

  // ---- timers ------------------------------------------------------------

  /** As Timer.tick(); it ends with the server, and errors of `callback` are reported. */
  tick<Args extends unknown[]>(
    ms: number,
    callback: (id: number, ...args: Args) => unknown,
    ...args: Args
  ): number {
    const id = Timer.tick(ms, (timer) => this.#main.call(() => callback(timer, ...args)));
    this.#life.timers.add(id);
    return id;
  }

  after<Args extends unknown[]>(
    ms: number,
    callback: (...args: Args) => unknown,
    ...args: Args
  ): number {
    const id = Timer.after(ms, () => {
      this.#life.timers.delete(id);
      this.#main.call(() => callback(...args));
    });
    this.#life.timers.add(id);
    return id;
  }

  clearTimer(id: number): boolean {
    this.#life.timers.delete(id);
    return Timer.clear(id);
  }

  /** Calls it once this turn of the event loop is over. */
  defer(callback: () => unknown): boolean {
    setImmediate(() => this.#main.call(callback));
    return true;
  }

  // ---- processes ---------------------------------------------------------

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

  // ------------------------------------------------------------------------

  #with(fd: number, change: (client: Client) => void): boolean {
    const client = this.#life.clients.get(fd);
    if (client === undefined || !client.connection.isOpen) return false;
    change(client);
    return true;
  }

  #report(end: Promise<void>): void {
    guarded(
      () => end,
      (error) => this.#life.report(error),
    );
  }
}
