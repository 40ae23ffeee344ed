// Checks and completes what createServer is given, before anything is opened.

import { TIMER_MS_MAX } from '../base/clock.ts';
import { SluiceError } from '../base/errors.ts';
import type { ListenOptions } from '../net/types.ts';
import type { TrustedProxies } from './admission/http-client-address.ts';
import { HTTP_LIMITS, type HttpLimits } from './http/http-application.ts';
import type { ServerListenOptions, ServerOptions, WebSocketRoute } from './types.ts';

const PORT_MAX = 65_535;
/** Longest body or message that may be asked for. */
const BYTES_MAX = 0x3fffffff;
/**
 * With the longest frame that is sent on top it stays below what the loop queues per connection.
 */
const QUEUE_BYTES_MAX = 128 * 1024 * 1024;

/** @throws SluiceError ERR_ARG_RANGE for a number that is no whole number of its range */
export function checkServerOptions(options: ServerOptions): void {
  checkRange('port', options.port, 0, PORT_MAX);
  checkRange('backlog', options.backlog, 1, PORT_MAX);
  for (const name of [
    'headBytesMax',
    'headerCountMax',
    'bodyBytesMax',
    'messageBytesMax',
  ] as const) {
    checkRange(name, options[name], 1, BYTES_MAX);
  }
  checkRange('queueBytes', options.queueBytes, 1, QUEUE_BYTES_MAX);
  checkForwardedHeader(options.forwardedHeader);
  checkRange('queueBytesTotal', options.queueBytesTotal, 0, Number.MAX_SAFE_INTEGER);
  for (const name of DURATIONS) checkRange(name, options[name], 1, TIMER_MS_MAX);
}

const SLOW_POLICIES: readonly unknown[] = [undefined, 'drop', 'close', 'latest'];

/** @throws SluiceError ERR_ARG_RANGE as above, or for handlers and marks that exclude each other */
export function checkRouteOptions<Data>(route: WebSocketRoute<Data>): void {
  const streams = route.stream !== undefined;
  checkRange('messageBytesMax', route.messageBytesMax, streams ? 0 : 1, BYTES_MAX);
  checkRange('queueBytes', route.queueBytes, 1, QUEUE_BYTES_MAX);
  checkRange('idleTimeoutMs', route.idleTimeoutMs, 0, TIMER_MS_MAX);
  const highMax = route.queueBytes ?? QUEUE_BYTES_MAX;
  checkRange('highWaterBytes', route.highWaterBytes, 1, highMax);
  checkRange('lowWaterBytes', route.lowWaterBytes, 1, route.highWaterBytes ?? highMax);
  if (!SLOW_POLICIES.includes(route.slow)) {
    throw new SluiceError('ERR_ARG_RANGE', "slow is 'drop', 'close' or 'latest'.");
  }
  if (route.messageBytesMax === 0 && route.deflate !== undefined && route.deflate !== false) {
    throw new SluiceError('ERR_ARG_RANGE', 'With deflate, messageBytesMax is a bound, not 0.');
  }
  if (streams && route.message !== undefined) {
    throw new SluiceError('ERR_ARG_RANGE', 'A route has a message or a stream handler, not both.');
  }
}

/** The bounds of HTTP: the server's where it names them, else the defaults. */
export function httpLimitsOf(options: ServerOptions): HttpLimits {
  return {
    ...HTTP_LIMITS,
    headBytesMax: options.headBytesMax ?? HTTP_LIMITS.headBytesMax,
    headerCountMax: options.headerCountMax ?? HTTP_LIMITS.headerCountMax,
    bodyBytesMax: options.bodyBytesMax ?? HTTP_LIMITS.bodyBytesMax,
    headTimeoutMs: options.headTimeoutMs ?? HTTP_LIMITS.headTimeoutMs,
    bodyTimeoutMs: options.bodyTimeoutMs ?? HTTP_LIMITS.bodyTimeoutMs,
    keepAliveTimeoutMs: options.keepAliveTimeoutMs ?? HTTP_LIMITS.keepAliveTimeoutMs,
    handshakeTimeoutMs: options.handshakeTimeoutMs ?? HTTP_LIMITS.handshakeTimeoutMs,
  };
}

/** The part of the options that says where to listen; a port of the kernel's choice without any. */
export function listenOptionsOf(options: ListenOptions): ListenOptions {
  const { host, path, fd, mode, exclusive, backlog } = options;
  const { notSentBytesMax, userTimeoutMs, keepAliveSeconds } = options;
  const port = options.port ?? (path === undefined && fd === undefined ? 0 : undefined);
  return {
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(path === undefined ? {} : { path }),
    ...(fd === undefined ? {} : { fd }),
    ...(mode === undefined ? {} : { mode }),
    ...(exclusive === undefined ? {} : { exclusive }),
    ...(backlog === undefined ? {} : { backlog }),
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    ...(notSentBytesMax === undefined ? {} : { notSentBytesMax }),
    ...(userTimeoutMs === undefined ? {} : { userTimeoutMs }),
    ...(keepAliveSeconds === undefined ? {} : { keepAliveSeconds }),
  };
}

const DURATIONS = [
  'headTimeoutMs',
  'bodyTimeoutMs',
  'keepAliveTimeoutMs',
  'handshakeTimeoutMs',
  'closeTimeoutMs',
] as const;

/** @throws SluiceError ERR_ARG_RANGE for a field that nobody could mean */
function checkForwardedHeader(header: ServerOptions['forwardedHeader']): void {
  if (header === undefined || header === 'x-forwarded-for' || header === 'forwarded') return;
  const text = 'forwardedHeader is "x-forwarded-for" or "forwarded".';
  throw new SluiceError('ERR_ARG_RANGE', text);
}

/**
 * Who may connect, and must say for whom, at a place that requires PROXY headers.
 * @returns the blocks as the engine takes them; undefined where proxyProtocol is off
 * @throws SluiceError ERR_ARG_RANGE
 */
export function proxiesOf(
  { proxyProtocol = 'off' }: ServerListenOptions,
  proxies: TrustedProxies,
): Uint8Array | undefined {
  if (proxyProtocol === 'off') return undefined;
  if (proxyProtocol !== 'required') {
    throw new SluiceError('ERR_ARG_RANGE', 'proxyProtocol is "off" or "required".');
  }
  if (!proxies.isEmpty) return proxies.encode();
  throw new SluiceError('ERR_ARG_RANGE', 'proxyProtocol needs trustedProxies.');
}

function checkRange(name: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined) return;
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new SluiceError('ERR_ARG_RANGE', `${name} is a whole number from ${least} to ${most}.`);
}
