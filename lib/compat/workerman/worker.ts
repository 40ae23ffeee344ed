// Workerman's Worker: a place to listen at, a protocol, and callbacks. Its static members stand for the
// process and are the master's.

import { SluiceError } from '../../base/errors.ts';
import type { TlsOptions } from '../../net/tls-options.ts';
import type { Listener, ListenOptions } from '../../net/types.ts';
import type { WorkerRole } from '../../process/types.ts';
import { acceptFor } from './accept.ts';
import type { ConnectionCallbacks } from './callbacks.ts';
import { SEND_BUFFER_BYTES_MAX, WorkerStatus } from './constants.ts';
import { master } from './master.ts';
import { type OutputStream, processLog } from './process-log.ts';
import { becomeUser } from './process-user.ts';
import { Frame, Http, type Protocol, Text, Websocket } from './protocols.ts';
import { type Place, parseSocketName } from './socket-name.ts';
import type { TcpConnection } from './tcp-connection.ts';

export type Transport = 'tcp' | 'ssl' | 'unix' | 'udp';
type WorkerCallback = ((worker: Worker) => unknown) | null;

/** The second argument of the constructor; PHP's stream context in the engine's words. */
export interface WorkerContext {
  /** Pending connections in the kernel: 1..65,535. */
  readonly backlog?: number;
  /** With `transport = 'ssl'`: certificates and keys, as of listen() in docs/library.md. */
  readonly ssl?: TlsOptions;
}

const PROTOCOLS: Readonly<Record<string, Protocol>> = {
  websocket: Websocket,
  http: Http,
  text: Text,
  frame: Frame,
};

/** Workerman's default; the engine takes what the kernel may hold at most. */
const BACKLOG = 102_400;
const BACKLOG_MAX = 65_535;

export class Worker implements ConnectionCallbacks {
  static readonly STATUS_INITIAL = WorkerStatus.INITIAL;
  static readonly STATUS_STARTING = WorkerStatus.STARTING;
  static readonly STATUS_RUNNING = WorkerStatus.RUNNING;
  static readonly STATUS_SHUTDOWN = WorkerStatus.SHUTDOWN;
  static readonly STATUS_RELOADING = WorkerStatus.RELOADING;
  static readonly DEFAULT_BACKLOG = BACKLOG;
  /** Of Workerman's interface that this one follows. */
  static readonly VERSION = '5.2.2';

  onConnect: ConnectionCallbacks['onConnect'] = null;
  onMessage: ConnectionCallbacks['onMessage'] = null;
  onClose: ConnectionCallbacks['onClose'] = null;
  onError: ConnectionCallbacks['onError'] = null;
  onBufferFull: ConnectionCallbacks['onBufferFull'] = null;
  onBufferDrain: ConnectionCallbacks['onBufferDrain'] = null;
  onWebSocketConnect: ConnectionCallbacks['onWebSocketConnect'] = null;
  onWebSocketConnected: ConnectionCallbacks['onWebSocketConnected'] = null;
  onWebSocketClose: ConnectionCallbacks['onWebSocketClose'] = null;
  onWebSocketPing: ConnectionCallbacks['onWebSocketPing'] = null;
  onWebSocketPong: ConnectionCallbacks['onWebSocketPong'] = null;
  onWorkerStart: WorkerCallback = null;
  onWorkerStop: WorkerCallback = null;
  onWorkerReload: WorkerCallback = null;

  /** 0 .. count - 1. */
  id = 0;
  name = 'none';
  /** Processes. */
  count = 1;
  /** Of the process after it has bound its ports; needs root. */
  user = '';
  group = '';
  reloadable = true;
  /** Without it a port that is in use is refused. */
  reusePort = false;
  transport: Transport = 'tcp';
  /** In place of the scheme's. */
  protocol: Protocol | undefined;
  /** Bytes that one connection may owe for publishes of Gateway groups. */
  publishBufferSize = SEND_BUFFER_BYTES_MAX;
  stopping = false;
  /** Packages received. */
  requestCount = 0;
  /** Those of this process, by id. Safe to iterate while some close. */
  readonly connections = new Map<number, TcpConnection>();

  /** Called when the last connection has gone. */
  whenEmpty: (() => void) | undefined;
  readonly place: Place | undefined;
  readonly #socketName: string;
  readonly #context: WorkerContext;
  #listener: Listener | undefined;
  /** Kept over pauseAccept(). */
  #port = 0;
  #isAccepting = true;
  #isListening = false;

  /**
   * @param socketName '<scheme>://<host>:<port>' or 'unix://<path>'; without one it only starts
   * @throws SluiceError ERR_ARG_RANGE for a name that says no place
   */
  constructor(socketName = '', context: WorkerContext = {}) {
    this.#socketName = socketName;
    this.#context = context;
    master.workers.add(this);
    if (socketName === '') return;
    const { scheme, place } = parseSocketName(socketName);
    this.place = place;
    if (place.kind === 'port') this.#port = place.port;
    if (scheme === 'unix' || scheme === 'udp' || scheme === 'ssl') this.transport = scheme;
    else if (scheme !== 'tcp') this.protocol = protocolOf(scheme);
  }

  // ---- the process -------------------------------------------------------

  /**
   * Starts all workers: they listen, then onWorkerStart is called in order.
   * @returns resolved when they have started; rejects when a place is refused
   * @throws SluiceError ERR_UNSUPPORTED for commands and settings that are not served
   */
  static runAll(): Promise<void> {
    return master.runAll();
  }

  /**
   * Stops all workers: onWorkerStop, no new connections, the others are closed; after stopTimeout they
   * are dropped. The process ends with `code` once the program holds nothing else.
   */
  static stopAll(code: number | string = 0, message = ''): Promise<void> {
    return master.stopAll(code, message, false);
  }

  static reloadAll(): void {
    master.reload();
  }

  static getAllWorkers(): readonly Worker[] {
    return [...master.workers];
  }

  static getStatus(): number {
    return master.status;
  }

  static isRunning(): boolean {
    return master.status === WorkerStatus.RUNNING || master.status === WorkerStatus.RELOADING;
  }

  static getGracefulStop(): boolean {
    return master.isGraceful;
  }

  static getArgv(): readonly string[] {
    return process.argv.slice(1);
  }

  /** With the time and the pid, to outputStream and logFile. */
  static log(message: unknown): void {
    processLog.write(String(message));
  }

  /** As it is, to outputStream alone. */
  static safeEcho(message: string): void {
    processLog.stream.write(message);
  }

  static get logFile(): string {
    return processLog.file;
  }

  static set logFile(file: string) {
    processLog.file = file;
  }

  static get logFileMaxSize(): number {
    return processLog.fileBytesMax;
  }

  static set logFileMaxSize(bytes: number) {
    processLog.fileBytesMax = bytes;
  }

  static get outputStream(): OutputStream {
    return processLog.stream;
  }

  static set outputStream(stream: OutputStream) {
    processLog.stream = stream;
  }

  static get pidFile(): string {
    return master.pidFile;
  }

  static set pidFile(file: string) {
    master.pidFile = file;
  }

  static get stdoutFile(): string {
    return master.stdoutFile;
  }

  static set stdoutFile(file: string) {
    master.stdoutFile = file;
  }

  static get stopTimeout(): number {
    return master.stopTimeout;
  }

  static set stopTimeout(seconds: number) {
    master.stopTimeout = seconds;
  }

  static get daemonize(): boolean {
    return master.daemonize;
  }

  static set daemonize(isDaemon: boolean) {
    master.daemonize = isDaemon;
  }

  static get onMasterReload(): (() => unknown) | null {
    return master.onReload;
  }

  static set onMasterReload(callback: (() => unknown) | null) {
    master.onReload = callback;
  }

  /** A worker process is gone. @see waitpid(2) for the status: an exit code, or 128 and the signal */
  static get onWorkerExit(): typeof master.onExit {
    return master.onExit;
  }

  static set onWorkerExit(callback: typeof master.onExit) {
    master.onExit = callback;
  }

  static get onMasterStop(): (() => unknown) | null {
    return master.onStop;
  }

  static set onMasterStop(callback: (() => unknown) | null) {
    master.onStop = callback;
  }

  // ---- one worker --------------------------------------------------------

  getSocketName(): string {
    return this.#socketName;
  }

  /** The port in use, also when 0 was asked for; 0 when it does not listen. An addition. */
  get port(): number {
    return this.#isListening ? this.#port : 0;
  }

  /**
   * Listens, also outside of runAll(): in onWorkerStart of another worker, for example.
   * @param autoAccept false: not before resumeAccept()
   * @throws SluiceError ERR_SYSTEM and others, as the place is refused
   */
  listen(autoAccept = true): void {
    if (this.place === undefined || this.#isListening) return;
    this.check();
    if (this.count !== 1) {
      throw new SluiceError('ERR_UNSUPPORTED', 'listen() is for one process, count for runAll().');
    }
    this.#isListening = true;
    this.#isAccepting = autoAccept;
    if (autoAccept) this.#open();
  }

  unlisten(): void {
    this.#isListening = false;
    this.#listener?.close();
    this.#listener = undefined;
  }

  /** New clients are refused by the kernel until resumeAccept(). */
  pauseAccept(): void {
    this.#isAccepting = false;
    this.#listener?.close();
    this.#listener = undefined;
  }

  resumeAccept(): void {
    if (this.#isAccepting || !this.#isListening) return;
    this.#isAccepting = true;
    this.#open();
  }

  /** Listens and calls onWorkerStart; runAll() does it. */
  async run(): Promise<void> {
    this.listen();
    await this.onWorkerStart?.(this);
  }

  /** onWorkerStop, no new connections. @param force closes those that there are */
  stop(force = true): void {
    if (this.stopping) return;
    this.stopping = true;
    try {
      this.onWorkerStop?.(this);
    } catch (error) {
      processLog.report(error);
    }
    this.unlisten();
    if (force) for (const connection of [...this.connections.values()]) connection.close();
  }

  /** Makes the process that of `user` and `group`, if they are set. @throws what setuid(2) says */
  setUserAndGroup(): void {
    becomeUser(this.user, this.group);
  }

  // ---- for the facade's own ----------------------------------------------

  /** @throws SluiceError for what cannot be served */
  check(): void {
    if (!Number.isInteger(this.count) || this.count < 1) {
      throw new SluiceError('ERR_ARG_RANGE', 'count is a whole number from 1.');
    }
    if (this.transport === 'udp') throw new SluiceError('ERR_UNSUPPORTED', 'There is no UDP.');
    if (this.transport === 'ssl' && this.#context.ssl === undefined) {
      throw new SluiceError('ERR_ARG_TYPE', "transport 'ssl' needs the context's ssl.");
    }
  }

  /** In a worker process of one of several workers, before it listens. */
  async joinProcesses(_role: WorkerRole): Promise<void> {
    // Only a gateway has something to share.
  }

  connectionGone(): void {
    master.noteGone();
    if (this.connections.size === 0) this.whenEmpty?.();
  }

  // ------------------------------------------------------------------------

  /** Where it may be listened at beside its place: a descriptor that was handed down. */
  listenAt(options: ListenOptions): Listener {
    const { ssl } = this.#context;
    const tls = this.transport === 'ssl' && ssl !== undefined ? { tls: ssl } : {};
    const listener = master.ground.loop.listen({ ...options, ...tls }, (connection) =>
      acceptFor(this, connection),
    );
    this.servesAt(listener.port);
    return listener;
  }

  /** It serves this port, if not itself. */
  servesAt(port: number): void {
    this.#port = port;
    this.#isListening = true;
  }

  get backlog(): number {
    return this.#context.backlog ?? Math.min(BACKLOG, BACKLOG_MAX);
  }

  #open(): void {
    const { place, backlog } = this;
    if (place === undefined) return;
    const at =
      place.kind === 'path' ? { path: place.path } : { host: place.host, port: this.#port };
    this.#listener = this.listenAt({ ...at, backlog });
  }
}

function protocolOf(scheme: string): Protocol {
  const protocol = PROTOCOLS[scheme];
  if (protocol !== undefined) return protocol;
  const text = `There is no protocol "${scheme}"; use tcp:// and set worker.protocol.`;
  throw new SluiceError('ERR_ARG_RANGE', text);
}
