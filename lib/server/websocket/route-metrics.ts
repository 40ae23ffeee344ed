// A route's handlers with measurements beside them. Only the handlers that are measured are wrapped, so
// that the others, and routes of servers without metrics, are called as they are.

import type { ServerMetrics } from '../stats-types.ts';
import type { WebSocketRoute } from './websocket-types.ts';

type Handlers = WebSocketRoute<unknown>;
type Report = (error: unknown) => void;

/** @param report gets what a measurement throws */
export function measured(
  route: Handlers,
  metrics: ServerMetrics | undefined,
  report: Report,
): Handlers {
  if (metrics === undefined) return route;
  const wrapped = {
    ...(metrics.onOpen === undefined ? {} : { open: measuredOpen(route, metrics, report) }),
    ...(metrics.onClose === undefined ? {} : { close: measuredClose(route, metrics, report) }),
    ...(metrics.onMessage === undefined ? {} : measuredMessage(route, metrics, report)),
  };
  return Object.assign(Object.create(route) as Handlers, wrapped);
}

function attempt(measure: () => void, report: Report): void {
  try {
    measure();
  } catch (error) {
    report(error);
  }
}

function measuredOpen(route: Handlers, metrics: ServerMetrics, report: Report): Handlers['open'] {
  return (socket) => {
    attempt(() => metrics.onOpen?.(socket), report);
    return route.open?.(socket);
  };
}

function measuredClose(route: Handlers, metrics: ServerMetrics, report: Report): Handlers['close'] {
  return (socket, code, reason, info) => {
    attempt(() => metrics.onClose?.(socket, code, info), report);
    return route.close?.(socket, code, reason, info);
  };
}

function measuredMessage(
  route: Handlers,
  metrics: ServerMetrics,
  report: Report,
): Pick<Handlers, 'message' | 'stream'> {
  const message: Handlers['message'] = (socket, data, isBinary) => {
    attempt(() => metrics.onMessage?.(socket, data, isBinary), report);
    return route.message?.(socket, data, isBinary);
  };
  if (route.stream === undefined) return { message };
  const stream: Handlers['stream'] = (socket, chunks, isBinary) => {
    attempt(() => metrics.onMessage?.(socket, '', isBinary), report);
    return route.stream?.(socket, chunks, isBinary);
  };
  return { message, stream };
}
