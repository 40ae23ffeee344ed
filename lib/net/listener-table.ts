// The listeners of one loop: opens them in each of their forms (an address, a path, an inherited
// descriptor) and knows whose connections the engine's records of acceptance are.

import { isIP } from 'node:net';
import { TIMER_MS_MAX } from '../base/clock.ts';
import { SluiceError } from '../base/errors.ts';
import type { NativeLoop } from '../native/binding.ts';
import { ERROR_NAMES, errorName } from '../native/error-names.ts';
import { BACKLOG_MAX, SOCKET_PATH_BYTES_MAX } from '../native/layout.ts';
import { createTlsContext, type TlsSetup } from './tls-context.ts';
import type { TlsOptions } from './tls-options.ts';
import type {
  AddressGate,
  Connection,
  ConnectionOwner,
  Listener,
  ListenOptions,
  LoopListenOptions,
} from './types.ts';

const BACKLOG_DEFAULT = 4096;
const PORT_MAX = 65_535;
const MODE_MAX = 0o777;
const MODE_OF_UMASK = -1;
const DESCRIPTOR_MAX = 0x7fffffff;
const NOT_SENT_BYTES_LEAST = 4096;
const NOT_SENT_BYTES_MOST = 0x40000000;
/** The kernel's own bound. */
const KEEP_ALIVE_SECONDS_MAX = 32_767;

/** What PrepareListener refuses; any other errno is the system's. */
const DESCRIPTOR_FAULTS: Readonly<Record<number, string>> = {
  [ERROR_NAMES.EBADF]: 'is not open',
  [ERROR_NAMES.ENOTSOCK]: 'is not a socket',
  [ERROR_NAMES.EPROTOTYPE]: 'is not a TCP or Unix stream socket',
  [ERROR_NAMES.EINVAL]: 'does not listen',
  [ERROR_NAMES.EEXIST]: 'is in the loop already',
};

const NOBODY = new Uint8Array(0);

export type AcceptCallback = (connection: Connection) => ConnectionOwner;

export class ListenerTable {
  readonly #native: NativeLoop;
  readonly #acceptors: (AcceptCallback | undefined)[] = [];
  readonly #setups: (TlsSetup | undefined)[] = [];

  constructor(native: NativeLoop) {
    this.#native = native;
  }

  /** See Loop.listen. */
  open(options: LoopListenOptions, accept: AcceptCallback): Listener {
    // What is wrong with a certificate must not leave a listener behind.
    const setup = options.tls === undefined ? undefined : createTlsContext(options.tls);
    checkTuning(options);
    const index = openNative(this.#native, options);
    tune(this.#native, index, options);
    if (options.proxies !== undefined) this.#requireProxyHeader(index, options.proxies);
    this.#acceptors[index] = accept;
    this.#setups[index] = undefined;
    if (setup !== undefined) this.#secure(index, setup);
    const port = this.#native.listenerPort(index);
    const name = String(this.#native.listenerName(index));
    // TCP listens on a port that is not 0; what has none is a Unix socket.
    const isPath = port === 0;
    let isListening = true;
    return {
      host: isPath ? '' : name,
      port,
      path: isPath ? name : undefined,
      isSecure: setup !== undefined,
      setTls: (tls) => this.#setTls(isListening ? index : undefined, tls),
      guard: (gate) => {
        if (isListening) this.#guard(index, gate);
      },
      close: () => {
        if (isListening) this.#close(index);
        isListening = false;
      },
    };
  }

  /** Who decides about a connection that this listener accepted; undefined once it is closed. */
  acceptor(index: number): AcceptCallback | undefined {
    return this.#acceptors[index];
  }

  isSecure(index: number): boolean {
    return this.#setups[index] !== undefined;
  }

  #setTls(index: number | undefined, options: TlsOptions): void {
    const before = index === undefined ? undefined : this.#setups[index];
    if (index === undefined || before === undefined) {
      throw new SluiceError('ERR_STATE', 'The listener is closed, or was opened without tls.');
    }
    this.#secure(index, createTlsContext(options, before.context));
  }

  #secure(index: number, setup: TlsSetup): void {
    const { context, handshakeTimeoutMs, handshakesMax } = setup;
    const failed = this.#native.secureListener(index, context, handshakeTimeoutMs, handshakesMax);
    succeeded(failed, 'with TLS');
    this.#setups[index] = setup;
  }

  #guard(index: number, { exempt, denied, allowed }: AddressGate): void {
    const isNamed = allowed !== undefined;
    const result = this.#native.guardListener(index, exempt, denied, isNamed, allowed ?? NOBODY);
    if (result === 0) return;
    throw new SluiceError(
      'ERR_ARG_RANGE',
      'A gate is encoded blocks, 100000 of each kind at most.',
    );
  }

  /** The engine has closed it. */
  forget(index: number): void {
    this.#acceptors[index] = undefined;
  }

  closeAll(): void {
    for (let index = 0; index < this.#acceptors.length; index++) this.#close(index);
  }

  #requireProxyHeader(index: number, blocks: Uint8Array): void {
    if (this.#native.requireProxyHeader(index, blocks) === 0) return;
    this.#native.closeListener(index);
    throw new SluiceError('ERR_ARG_RANGE', 'proxies must be encoded blocks, 1024 at most.');
  }

  #close(index: number): void {
    if (this.#acceptors[index] === undefined) return;
    this.#acceptors[index] = undefined;
    this.#native.closeListener(index);
  }
}

function openNative(native: NativeLoop, options: ListenOptions): number {
  const { port, path, fd, backlog = BACKLOG_DEFAULT } = options;
  const forms = [port, path, fd].filter((form) => form !== undefined);
  if (forms.length !== 1) {
    throw new SluiceError('ERR_ARG_RANGE', 'A listener has one of port, path and fd.');
  }
  checkInteger('backlog', backlog, 1, BACKLOG_MAX);
  if (path !== undefined) return openPath(native, path, options.mode, backlog);
  if (fd !== undefined) return openDescriptor(native, fd, options.exclusive ?? false);
  return openPort(native, options.host, port ?? 0, backlog);
}

function openPort(
  native: NativeLoop,
  name: string | undefined,
  port: number,
  backlog: number,
): number {
  const host = name === 'localhost' ? '127.0.0.1' : (name ?? '0.0.0.0');
  if (isIP(host) === 0) throw new SluiceError('ERR_ARG_RANGE', 'host must be an IP address.');
  checkInteger('port', port, 0, PORT_MAX);
  return succeeded(native.listen(host, port, backlog), `${host}:${port}`);
}

function openPath(
  native: NativeLoop,
  path: string,
  mode: number | undefined,
  backlog: number,
): number {
  const bytes = Buffer.from(path, 'utf8');
  // A zero byte is the sign of an abstract name, and in a path it would cut the rest off.
  const isWhole = path.lastIndexOf('\0') <= 0 && path !== '\0';
  if (bytes.length < 1 || bytes.length > SOCKET_PATH_BYTES_MAX || !isWhole) {
    const text = `path must have 1 to ${SOCKET_PATH_BYTES_MAX} bytes, a zero only as the first.`;
    throw new SluiceError('ERR_ARG_RANGE', text);
  }
  if (mode !== undefined) checkInteger('mode', mode, 0, MODE_MAX);
  const shown = path.replace('\0', '@');
  return succeeded(native.listenPath(bytes, mode ?? MODE_OF_UMASK, backlog), shown);
}

function openDescriptor(native: NativeLoop, fd: number, exclusive: boolean): number {
  checkInteger('fd', fd, 0, DESCRIPTOR_MAX);
  const index = native.listenDescriptor(fd, exclusive);
  const fault = DESCRIPTOR_FAULTS[index];
  if (fault === undefined) return succeeded(index, `descriptor ${fd}`);
  const details = { errno: index, syscall: 'listen' };
  throw new SluiceError('ERR_DESCRIPTOR', `Descriptor ${fd} ${fault}.`, details);
}

function checkTuning(options: ListenOptions): void {
  const { notSentBytesMax, userTimeoutMs, keepAliveSeconds } = options;
  if (notSentBytesMax !== undefined) {
    checkInteger('notSentBytesMax', notSentBytesMax, NOT_SENT_BYTES_LEAST, NOT_SENT_BYTES_MOST);
  }
  if (userTimeoutMs !== undefined) checkInteger('userTimeoutMs', userTimeoutMs, 1, TIMER_MS_MAX);
  if (keepAliveSeconds !== undefined) {
    checkInteger('keepAliveSeconds', keepAliveSeconds, 1, KEEP_ALIVE_SECONDS_MAX);
  }
}

function tune(native: NativeLoop, index: number, options: ListenOptions): void {
  const { notSentBytesMax = 0, userTimeoutMs = 0, keepAliveSeconds = 0 } = options;
  if (notSentBytesMax + userTimeoutMs + keepAliveSeconds === 0) return;
  const result = native.tuneListener(index, notSentBytesMax, userTimeoutMs, keepAliveSeconds);
  if (result < 0) {
    native.closeListener(index);
    succeeded(result, 'socket options');
  }
}

function succeeded(index: number, place: string): number {
  if (index >= 0) return index;
  const text = `listen ${errorName(index)} ${place}`;
  throw new SluiceError('ERR_SYSTEM', text, { errno: index, syscall: 'listen' });
}

function checkInteger(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new SluiceError('ERR_ARG_RANGE', `${name} must be an integer from ${least} to ${most}.`);
}
