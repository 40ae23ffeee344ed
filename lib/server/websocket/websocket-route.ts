// From an upgrade request to an open socket: the handshake is judged, the route's hook is asked (it may
// take its time, HTTP keeps the clock), and its decision is carried out.

import { SluiceError } from '../../base/errors.ts';
import { isThenable } from '../../base/thenable.ts';
import type { ConnectionLease } from '../../net/types.ts';
import { negotiateDeflate } from '../../websocket/deflate-negotiation.ts';
import { type ResolvedDeflate, resolveDeflate } from '../../websocket/deflate-options.ts';
import {
  acceptHeaders,
  checkHandshake,
  type Handshake,
  isHeaderSafe,
} from '../../websocket/handshake.ts';
import { streamOf } from '../../websocket/incoming-stream.ts';
import { MessageDeflater } from '../../websocket/message-deflater.ts';
import { MessageInflater } from '../../websocket/message-inflater.ts';
import type { SessionOptions } from '../../websocket/session-types.ts';
import { LeaseBundle } from '../admission/admission-counts.ts';
import { type RouteAdmission, routeAdmissionOf } from '../admission/route-admission.ts';
import type { UpgradeExchange } from '../http/http-upgrade.ts';
import type { ServerOptions, SlowPolicy, UpgradeDecision, WebSocketRoute } from '../types.ts';
import type { Compression } from './accepted-upgrade.ts';
import type { QueueBudget } from './queue-budget.ts';
import { measured } from './route-metrics.ts';
import { WebSocketConnection } from './websocket-connection.ts';
import type { WebSocketContext } from './websocket-context.ts';
import { WEBSOCKET_LIMITS } from './websocket-limits.ts';

/** A route with its bounds settled. */
export interface ResolvedRoute {
  readonly handlers: WebSocketRoute<unknown>;
  readonly session: SessionOptions;
  readonly admission: RouteAdmission;
  readonly slow: SlowPolicy;
  /** Undefined: messages are not compressed. */
  readonly deflate: ResolvedDeflate | undefined;
  readonly queueBytesMax: number;
  readonly highWaterBytes: number;
  readonly lowWaterBytes: number;
  /** Pending bytes from which on a send must be judged. */
  readonly careBytes: number;
  /** The loop's own marks are others. */
  readonly hasOwnMarks: boolean;
}

/** What a route's bounds are settled with. */
export interface RouteGround {
  readonly options: ServerOptions;
  readonly budget: QueueBudget;
  /** Gets what measurements throw. */
  readonly report: (error: unknown) => void;
  /** The loop's own high mark. */
  readonly highWaterBytes: number;
}

/** Fills in the server's options and the defaults. @throws SluiceError for wrong deflate options */
export function resolveRoute<Data>(
  route: WebSocketRoute<Data>,
  ground: RouteGround,
): ResolvedRoute {
  const { options, budget } = ground;
  const queueBytesMax = route.queueBytes ?? options.queueBytes ?? WEBSOCKET_LIMITS.queueBytesMax;
  // Above the bound the mark would never be reached, and no drain would follow a drop.
  const highWaterBytes = Math.min(route.highWaterBytes ?? ground.highWaterBytes, queueBytesMax);
  const lowWaterBytes = route.lowWaterBytes ?? lowMarkOf(highWaterBytes);
  return {
    admission: routeAdmissionOf(route),
    handlers: measured(withStreams(untyped(route)), options.metrics, ground.report),
    session: sessionOptionsOf(untyped(route), options),
    slow: route.slow ?? 'drop',
    deflate: resolveDeflate(route.deflate),
    queueBytesMax,
    highWaterBytes,
    lowWaterBytes,
    careBytes: budget.careOf(queueBytesMax),
    hasOwnMarks:
      highWaterBytes !== ground.highWaterBytes ||
      lowWaterBytes !== lowMarkOf(ground.highWaterBytes),
  };
}

function sessionOptionsOf(route: WebSocketRoute, options: ServerOptions): SessionOptions {
  const messageBytesMax =
    route.messageBytesMax ?? options.messageBytesMax ?? WEBSOCKET_LIMITS.messageBytesMax;
  const streams = route.stream !== undefined;
  return {
    messageBytesMax: messageBytesMax === 0 ? Number.POSITIVE_INFINITY : messageBytesMax,
    idleTimeoutMs: route.idleTimeoutMs ?? WEBSOCKET_LIMITS.idleTimeoutMs,
    closeTimeoutMs: options.closeTimeoutMs ?? WEBSOCKET_LIMITS.closeTimeoutMs,
    serial: route.serial === true || streams,
    streams,
  };
}

/** The low mark that belongs to a high one, unless the route names its own. */
export function lowMarkOf(highWaterBytes: number): number {
  return Math.max(1, Math.floor(highWaterBytes / 4));
}

/**
 * A socket's data is what this very route's hook returned, so its handlers get what they expect.
 */
function untyped<Data>(route: WebSocketRoute<Data>): WebSocketRoute<unknown> {
  return route as unknown as WebSocketRoute<unknown>;
}

/** With a stream handler, messages that came in one piece are streams of one chunk. */
function withStreams(route: WebSocketRoute<unknown>): WebSocketRoute<unknown> {
  if (route.stream === undefined) return route;
  const message: NonNullable<WebSocketRoute['message']> = (socket, data, isBinary) =>
    route.stream?.(socket, streamOf(data), isBinary);
  return Object.assign(Object.create(route) as WebSocketRoute<unknown>, { message });
}

/** Carries an upgrade out. Never throws. */
export function upgradeToWebSocket(
  exchange: UpgradeExchange,
  route: ResolvedRoute,
  context: WebSocketContext,
): void {
  const { request } = exchange;
  const handshake = checkHandshake({
    method: request.method,
    minorVersion: exchange.minorVersion,
    headers: request.headers,
  });
  context.counters.handshakes++;
  if (!handshake.ok) exchange.refuse(handshake.status, handshake.headers, handshake.message);
  else if (exchange.hasBody) exchange.refuse(400, {}, 'a handshake has no body');
  else if (context.isClosing) exchange.refuse(503, {}, 'going away');
  else admit({ exchange, route, context, handshake });
}

/** Asks for a place, and then the hook. */
function admit(upgrade: Upgrade): void {
  const { exchange, route, context } = upgrade;
  try {
    const seat = route.admission.judge(exchange.request, context.admission);
    if (seat.ok) takeSeat(exchange, seat.lease);
    else {
      const { status, headers, body } = seat.refusal;
      exchange.refuse(status, headers, body);
      return;
    }
  } catch (error) {
    hookFailed(upgrade, error);
    return;
  }
  askHook(upgrade);
}

/** The place is the connection's until it is gone: a refused one is closed. */
function takeSeat({ connection }: UpgradeExchange, lease: ConnectionLease | undefined): void {
  if (lease === undefined) return;
  const before = connection.lease;
  connection.lease = before === undefined ? lease : new LeaseBundle([before, lease]);
}

interface Upgrade {
  readonly exchange: UpgradeExchange;
  readonly route: ResolvedRoute;
  readonly context: WebSocketContext;
  readonly handshake: Handshake;
}

type Decision = UpgradeDecision<unknown> | undefined;

function askHook(upgrade: Upgrade): void {
  const { exchange, route } = upgrade;
  try {
    const decision: unknown = route.handlers.upgrade?.(exchange.request);
    if (!isThenable(decision)) carryOut(upgrade, decision as Decision);
    else {
      Promise.resolve(decision)
        .then((settled) => carryOut(upgrade, settled as Decision))
        .catch((error: unknown) => hookFailed(upgrade, error));
    }
  } catch (error) {
    hookFailed(upgrade, error);
  }
}

function hookFailed({ exchange, context }: Upgrade, error: unknown): void {
  exchange.refuse(500);
  context.report(error);
}

/** @throws SluiceError ERR_ARG_RANGE when the hook's decision cannot be carried out */
function carryOut(upgrade: Upgrade, decision: Decision): void {
  const { exchange, handshake, context, route } = upgrade;
  if (decision !== undefined && 'reject' in decision) {
    exchange.refuse(checkedStatus(decision.reject), decision.headers, decision.body);
    return;
  }
  if (context.isClosing) {
    exchange.refuse(503, {}, 'going away');
    return;
  }
  const protocol = decision?.protocol ?? '';
  if (protocol !== '' && !handshake.protocols.includes(protocol)) {
    throw new SluiceError(
      'ERR_ARG_RANGE',
      'The upgrade hook chose a protocol that was not offered.',
    );
  }
  const compression = compressionOf(upgrade);
  const own = acceptHeaders(handshake.accept, protocol, compression?.answer);
  const head = headOf(own, decision?.headers ?? {});
  const { connection, request } = exchange;
  const accepted = { connection, request, protocol, data: decision?.data, compression };
  const link = new WebSocketConnection(accepted, route, context);
  if (!exchange.accept(head, link)) return;
  context.counters.handshakesAccepted++;
  link.open();
}

function compressionOf({ context, route, handshake }: Upgrade): Compression | undefined {
  const { deflate: options, session } = route;
  const streams = context.deflate;
  if (options === undefined || streams === undefined) return undefined;
  const negotiated = negotiateDeflate(handshake.extensions, options);
  if (negotiated === undefined) return undefined;
  const agreement = streams.intern(negotiated);
  return {
    answer: agreement.answer,
    deflater: new MessageDeflater(streams, agreement, options),
    inflater: new MessageInflater(streams, agreement, session.messageBytesMax),
  };
}

function checkedStatus(status: number): number {
  if (Number.isInteger(status) && status >= 300 && status <= 599) return status;
  throw new SluiceError('ERR_ARG_RANGE', `An upgrade cannot be rejected with ${status}.`);
}

function headOf(
  own: Readonly<Record<string, string>>,
  others: Readonly<Record<string, string>>,
): string {
  let head = 'HTTP/1.1 101 Switching Protocols\r\n';
  for (const [name, value] of [...Object.entries(own), ...Object.entries(others)]) {
    if (!isHeaderSafe(name, value)) {
      throw new SluiceError('ERR_ARG_RANGE', `The header ${JSON.stringify(name)} cannot be sent.`);
    }
    head += `${name}: ${value}\r\n`;
  }
  return `${head}\r\n`;
}
