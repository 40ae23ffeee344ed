// The options of a WebSocketServer, their defaults, and what hooks are called with.

import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { ZlibOptions } from 'node:zlib';
import { WS_DEFAULTS } from './constants.ts';
import { WebSocket } from './websocket.ts';

/** What verifyClient() decides on. */
export interface ClientInfo {
  readonly origin: string;
  readonly req: IncomingMessage;
  /** The connection is encrypted. */
  readonly secure: boolean;
}

export type VerifyClientSync = (info: ClientInfo) => boolean;
export type VerifyClientAsync = (
  info: ClientInfo,
  callback: (
    isVerified: boolean,
    code?: number,
    message?: string,
    headers?: Readonly<Record<string, unknown>>,
  ) => void,
) => void;

export interface PerMessageDeflateOptions {
  readonly serverNoContextTakeover?: boolean;
  readonly clientNoContextTakeover?: boolean;
  readonly serverMaxWindowBits?: number;
  readonly clientMaxWindowBits?: number;
  readonly zlibDeflateOptions?: ZlibOptions;
  readonly zlibInflateOptions?: ZlibOptions;
  readonly threshold?: number;
  readonly concurrencyLimit?: number;
}

export interface ServerOptions {
  /** Listens itself; exactly one of `port`, `server` and `noServer`. */
  readonly port?: number | null | undefined;
  readonly host?: string | null | undefined;
  readonly backlog?: number | null | undefined;
  readonly server?: HttpServer | HttpsServer | null | undefined;
  readonly noServer?: boolean | undefined;
  /** Only requests with this path are taken. */
  readonly path?: string | null | undefined;
  /** Keep `clients`. */
  readonly clientTracking?: boolean | undefined;
  readonly maxPayload?: number | undefined;
  readonly maxFragments?: number | undefined;
  /** Accepted and not needed: chunks of a message are gathered in one piece of memory. */
  readonly maxBufferedChunks?: number | undefined;
  readonly maxPendingAutoPongs?: number | undefined;
  readonly perMessageDeflate?: boolean | PerMessageDeflateOptions | undefined;
  readonly handleProtocols?:
    | ((protocols: Set<string>, request: IncomingMessage) => string | false)
    | null
    | undefined;
  readonly verifyClient?: VerifyClientSync | VerifyClientAsync | null | undefined;
  readonly autoPong?: boolean | undefined;
  readonly allowSynchronousEvents?: boolean | undefined;
  readonly skipUTF8Validation?: boolean | undefined;
  readonly closeTimeout?: number | undefined;
  readonly WebSocket?: typeof WebSocket | undefined;
}

export type ResolvedOptions = ReturnType<typeof resolveOptions>;

/**
 * Fills in the defaults.
 * @throws TypeError unless exactly one of `port`, `server` and `noServer` is there
 */
export function resolveOptions(options: ServerOptions) {
  const hasPort = options.port !== undefined && options.port !== null;
  const sources = [hasPort, Boolean(options.server), Boolean(options.noServer)];
  if (sources.filter(Boolean).length !== 1) {
    throw new TypeError('Exactly one of the options "port", "server" and "noServer" is needed');
  }
  return {
    ...WS_DEFAULTS,
    allowSynchronousEvents: true,
    autoPong: true,
    skipUTF8Validation: false,
    perMessageDeflate: false as boolean | PerMessageDeflateOptions,
    clientTracking: true,
    WebSocket,
    ...withoutUndefined(options),
  };
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

function withoutUndefined(options: ServerOptions): Defined<ServerOptions> {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Defined<ServerOptions>;
}
