// The server of the Swoole API: the names that a program calls. What they do is in the files beside it.

import { SluiceError } from '../../base/errors.ts';
import type { SendOutcome } from '../../server/types.ts';
import { CLIENT_PAGE_DEFAULT, CLIENT_PAGE_MAX } from './bounds.ts';
import { type ClientInfo, clientInfoOf, type Stats } from './client-info.ts';
import type { Client } from './clients.ts';
import { ConnectionList } from './clients.ts';
import {
  SWOOLE_BASE,
  SWOOLE_SOCK_TCP,
  SWOOLE_WEBSOCKET_FLAG_FIN,
  WEBSOCKET_OPCODE_TEXT,
  WEBSOCKET_STATUS_ACTIVE,
} from './constants.ts';
import type { ServerEvents } from './events.ts';
import { Frame, type FrameData } from './frame.ts';
import type { Life } from './life.ts';
import { Port } from './port.ts';
import { Sending } from './sending.ts';
import { LIFE, ServerProcess } from './server-process.ts';
import type { Settings } from './settings.ts';

export class Server extends ServerProcess {
  readonly mode: number;
  readonly type: number;
  readonly connections: ConnectionList;
  readonly #life: Life;
  readonly #sending: Sending;

  /**
   * @param host a name or an address; the path, for SWOOLE_SOCK_UNIX_STREAM
   * @param port 0: of the kernel's choice
   * @param mode makes no difference: worker_num does
   * @throws SluiceError ERR_UNSUPPORTED for UDP
   */
  constructor(
    host = '0.0.0.0',
    port = 0,
    mode: number = SWOOLE_BASE,
    type: number = SWOOLE_SOCK_TCP,
  ) {
    super();
    this.mode = mode;
    this.type = type;
    this.#life = this[LIFE];
    this.#life.ports.push(new Port(this.#life, host, port, type));
    this.connections = new ConnectionList(this.#life.clients, this.#life.others);
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
    return this.#life.main.settings;
  }

  get host(): string {
    return this.#life.main.address;
  }

  /** What the kernel has chosen, from `start` on. */
  get port(): number {
    return this.#life.main.port;
  }

  get ports(): readonly Port[] {
    return [...this.#life.ports];
  }

  get ssl(): boolean {
    return this.#life.main.isSecure;
  }

  // ---- before start ------------------------------------------------------

  set(settings: Settings): boolean {
    return this.#life.main.set(settings);
  }

  /** Names do not distinguish cases. @throws SluiceError ERR_ARG_RANGE, ERR_UNSUPPORTED, ERR_ARG_TYPE */
  on<Name extends keyof ServerEvents>(name: Name, callback: ServerEvents[Name]): boolean;
  on(name: string, callback: (...args: never[]) => unknown): boolean;
  on(name: string, callback: (...args: never[]) => unknown): boolean {
    return this.#life.main.on(name, callback);
  }

  /** @returns null without one */
  getCallback(name: string): unknown {
    return this.#life.main.callbacks.find(name) ?? null;
  }

  /** Another port, with settings and callbacks of its own where it has some. */
  listen(host: string, port: number, type: number = SWOOLE_SOCK_TCP): Port {
    if (this.#life.isStarted) throw new SluiceError('ERR_STATE', 'listen() comes before start().');
    const added = new Port(this.#life, host, port, type, this.#life.main);
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
    const { task_worker_num: tasks = 0 } = this.setting;
    if (tasks > 0 && this.getCallback('task') === null) {
      throw new SluiceError('ERR_STATE', 'task_worker_num needs a callback for task.');
    }
    this.#life.start();
    this.#sending.relay = this.#life.crew?.relay;
    return true;
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

  /** Of another worker: as it has told. */
  isEstablished(fd: number): boolean {
    const other = this.#life.others.get(fd);
    if (other !== undefined) return other.websocket_status === WEBSOCKET_STATUS_ACTIVE;
    return this.#life.clients.get(fd)?.socket?.isOpen === true;
  }

  exist(fd: number): boolean {
    if (this.#life.others.get(fd) !== undefined) return true;
    return this.#life.clients.get(fd)?.connection.isOpen === true;
  }

  exists(fd: number): boolean {
    return this.exist(fd);
  }

  /** No message comes from there until resume(). */
  pause(fd: number): boolean {
    return this.#with('pause', [fd], (client) => (client.socket ?? client.connection).pause());
  }

  resume(fd: number): boolean {
    return this.#with('resume', [fd], (client) => (client.socket ?? client.connection).resume());
  }

  confirm(fd: number): boolean {
    return this.resume(fd);
  }

  /** The heartbeat spares it. */
  protect(fd: number, isProtected = true): boolean {
    return this.#with('protect', [fd, isProtected], (client) => {
      client.isProtected = isProtected;
    });
  }

  /** Names whose connection it is, once; getClientInfo() tells. */
  bind(fd: number, uid: number): boolean {
    if ((this.#life.others.get(fd) ?? this.#life.clients.get(fd))?.uid !== undefined) return false;
    return this.#with('bind', [fd, uid], (client) => {
      client.uid = uid;
      this.#life.clients.onChange(fd);
    });
  }

  /** Of another worker: as it was when it last came, shook hands, was bound or began to close. */
  getClientInfo(fd: number): ClientInfo | false {
    const client = this.#life.clients.get(fd);
    if (client !== undefined) return clientInfoOf(client, this.worker_id);
    return this.#life.others.get(fd) ?? false;
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
    const { clients, others } = this.#life;
    const all = [...clients.page(after, count), ...others.page(after, count)];
    const page = all.sort((a, b) => a - b).slice(0, count);
    return page.length === 0 ? false : page;
  }

  connection_list(after?: number, count?: number): number[] | false {
    return this.getClientList(after, count);
  }

  /** Of this worker. @returns who is idle by heartbeat_idle_time; they are closed if asked to */
  heartbeat(closeIdle = true): number[] {
    return closeIdle ? this.#life.closeIdle() : this.#life.idleClients().map(({ fd }) => fd);
  }

  /** Of all workers. @throws SluiceError ERR_STATE before `start` */
  stats(): Stats {
    const { loop, master, crew } = this.#life;
    if (loop === undefined && master === undefined && crew === undefined) {
      throw new SluiceError('ERR_STATE', 'stats() comes after start.');
    }
    const own = this.#life.ownStats();
    return master?.stats(own) ?? crew?.allStats(own) ?? own;
  }

  // ------------------------------------------------------------------------

  #with(
    method: 'pause' | 'resume' | 'protect' | 'bind',
    args: [number, ...unknown[]],
    change: (client: Client) => void,
  ): boolean {
    const [fd] = args;
    const relay = this.#life.crew?.relay;
    if (relay?.isOther(fd) === true) return relay.call(method, false, args) === 0;
    const client = this.#life.clients.get(fd);
    if (client === undefined || !client.connection.isOpen) return false;
    change(client);
    return true;
  }
}
