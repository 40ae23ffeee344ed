// The events of the Swoole API, what their callbacks get, and how they are called: an error of a callback is
// reported and costs the connection that it was called for, nobody else.

import { SluiceError } from '../../base/errors.ts';
import { isThenable } from '../../base/thenable.ts';
import type { CloseInfo } from '../../server/types.ts';
import type { CloseFrame, Frame } from './frame.ts';
import type { Request } from './request.ts';
import type { Response } from './response.ts';
import type { Server } from './server.ts';

/** How a connection has ended; code and reason are those of a WebSocket, else 1006 and ''. */
export interface CloseDetails extends CloseInfo {
  readonly code: number;
  readonly reason: string;
}

export interface ServerEvents {
  open(server: Server, request: Request): unknown;
  message(server: Server, frame: Frame | CloseFrame): unknown;
  close(server: Server, fd: number, reactorId: number, details: CloseDetails): unknown;
  disconnect(server: Server, fd: number): unknown;
  handshake(request: Request, response: Response): unknown;
  beforeHandshakeResponse(server: Server, request: Request, response: Response): unknown;
  request(request: Request, response: Response): unknown;
  connect(server: Server, fd: number, reactorId: number): unknown;
  receive(server: Server, fd: number, reactorId: number, data: Buffer): unknown;
  bufferFull(server: Server, fd: number): unknown;
  bufferEmpty(server: Server, fd: number): unknown;
  start(server: Server): unknown;
  beforeShutdown(server: Server): unknown;
  shutdown(server: Server): unknown;
  workerStart(server: Server, workerId: number): unknown;
  workerStop(server: Server, workerId: number): unknown;
  workerExit(server: Server, workerId: number): unknown;
  workerError(
    server: Server,
    workerId: number,
    workerPid: number,
    exitCode: number,
    signal: number,
  ): unknown;
  managerStart(server: Server): unknown;
  managerStop(server: Server): unknown;
  beforeReload(server: Server): unknown;
  afterReload(server: Server): unknown;
  /** What it returns, or resolves with, is the result, as of finish(). */
  task(server: Server, taskId: number, srcWorkerId: number, data: unknown): unknown;
  finish(server: Server, taskId: number, data: unknown): unknown;
  pipeMessage(server: Server, srcWorkerId: number, message: unknown): unknown;
  /** Ours: something that a callback threw, or a port that cannot be listened on. */
  error(server: Server, error: unknown): unknown;
}

export type EventName = keyof ServerEvents;

const NAMES: readonly EventName[] = [
  'open',
  'message',
  'close',
  'disconnect',
  'handshake',
  'beforeHandshakeResponse',
  'request',
  'connect',
  'receive',
  'bufferFull',
  'bufferEmpty',
  'start',
  'beforeShutdown',
  'shutdown',
  'workerStart',
  'workerStop',
  'workerExit',
  'workerError',
  'managerStart',
  'managerStop',
  'beforeReload',
  'afterReload',
  'task',
  'finish',
  'pipeMessage',
  'error',
];

/** The engine serves streams. */
const NOT_SERVED = new Set(['packet']);

const BY_LOWER_NAME = new Map(NAMES.map((name) => [name.toLowerCase(), name]));

/** The callbacks of one port. */
export class Callbacks {
  readonly #own: Partial<Record<EventName, unknown>> = {};
  readonly #inherited: Callbacks | undefined;

  /** @param inherited whose callbacks hold where this one has none */
  constructor(inherited?: Callbacks) {
    this.#inherited = inherited;
  }

  /** @throws SluiceError ERR_UNSUPPORTED, ERR_ARG_RANGE for an event that is none, ERR_ARG_TYPE */
  set(name: string, callback: unknown): void {
    const lower = name.toLowerCase();
    const known = BY_LOWER_NAME.get(lower);
    if (NOT_SERVED.has(lower)) {
      throw new SluiceError('ERR_UNSUPPORTED', `The event ${name} is not served: docs/swoole.md.`);
    }
    if (known === undefined) throw new SluiceError('ERR_ARG_RANGE', `There is no event ${name}.`);
    if (typeof callback !== 'function') {
      throw new SluiceError('ERR_ARG_TYPE', `The callback of ${name} is no function.`);
    }
    this.#own[known] = callback;
  }

  get<Name extends EventName>(name: Name): ServerEvents[Name] | undefined {
    const own = this.#own[name] as ServerEvents[Name] | undefined;
    return own ?? this.#inherited?.get(name);
  }

  find(name: string): unknown {
    const known = BY_LOWER_NAME.get(name.toLowerCase());
    return known === undefined ? undefined : this.get(known);
  }

  hasOwn(name: EventName): boolean {
    return this.#own[name] !== undefined;
  }
}

/** Calls what `call` calls. @param failed gets what it throws, or rejects with; must not throw */
export function guarded(call: () => unknown, failed: (error: unknown) => void): void {
  try {
    const result = call();
    if (isThenable(result)) result.then(undefined, failed);
  } catch (error) {
    failed(error);
  }
}
