// The WebSocket half of a worker: the routes that its connections share, and the hook in which the server's
// handshake meets the connection that it belongs to.

import { SluiceError } from '../../base/errors.ts';
import { nativeFrames } from '../../native/bytes.ts';
import { HIGH_WATER_BYTES } from '../../native/layout.ts';
import type { Loop } from '../../net/types.ts';
import { Admission } from '../../server/admission/admission.ts';
import type { UpgradeExchange } from '../../server/http/http-upgrade.ts';
import type { ServerSocket, WebSocketRoute } from '../../server/types.ts';
import { WebSocketContext } from '../../server/websocket/websocket-context.ts';
import {
  type ResolvedRoute,
  resolveRoute,
  upgradeToWebSocket,
} from '../../server/websocket/websocket-route.ts';
import { LOOK_BYTES, PACKAGE_BYTES_MAX, SEND_BUFFER_BYTES_MAX } from './constants.ts';
import type { WebSocketLink } from './websocket-link.ts';

/** Different values of maxPackageSize, compression and queue bound that connections may have. */
export const ROUTES_MAX = 64;

/** One per process: topics reach the WebSockets of all its workers. */
export class WebSocketPort {
  readonly context: WebSocketContext;
  readonly #report: (error: unknown) => void;
  readonly #routes = new Map<string, ResolvedRoute>();
  /** Whose handshake the server is judging; it asks its hook in the same turn. */
  #upgrading: WebSocketLink | undefined;

  constructor(loop: Loop, report: (error: unknown) => void) {
    this.#report = report;
    this.context = new WebSocketContext({
      loop,
      nativeFrames,
      admission: new Admission(undefined),
      onError: report,
      onGone: () => undefined,
    });
  }

  /** @throws SluiceError ERR_CODEC_MISSING, or ERR_STATE for too many different bounds */
  upgrade(exchange: UpgradeExchange, link: WebSocketLink): void {
    const route = this.#routeOf(link);
    this.#upgrading = link;
    upgradeToWebSocket(exchange, route, this.context);
    this.#upgrading = undefined;
  }

  #routeOf(link: WebSocketLink): ResolvedRoute {
    const { isCompressed, queueBytes } = link;
    const messageBytesMax = Math.min(Math.max(1, link.tcp.maxPackageSize), PACKAGE_BYTES_MAX);
    const key = `${messageBytesMax} ${queueBytes} ${isCompressed}`;
    const known = this.#routes.get(key);
    if (known !== undefined) return known;
    if (this.#routes.size >= ROUTES_MAX) {
      throw new SluiceError('ERR_STATE', 'Connections have too many different maxPackageSize.');
    }
    if (isCompressed) this.context.needDeflate();
    const route = this.#resolve({
      messageBytesMax,
      queueBytes: Math.min(queueBytes, SEND_BUFFER_BYTES_MAX),
      deflate: isCompressed ? { threshold: 1 } : false,
    });
    this.#routes.set(key, route);
    return route;
  }

  #resolve(bounds: WebSocketRoute<WebSocketLink>): ResolvedRoute {
    const linkOf = ({ data }: ServerSocket<WebSocketLink>): WebSocketLink => data;
    const route: WebSocketRoute<WebSocketLink> = {
      ...bounds,
      highWaterBytes: Math.min(LOOK_BYTES, bounds.queueBytes ?? LOOK_BYTES),
      lowWaterBytes: 1,
      upgrade: (request) => this.#upgrading?.decide(request),
      open: (socket) => linkOf(socket).opened(socket),
      message: (socket, data) => linkOf(socket).tcp.handOver(data),
      drain: (socket) => linkOf(socket).tcp.drained(),
      dropped: (socket) => linkOf(socket).tcp.publishDropped(),
      ping: (socket, payload) => linkOf(socket).pinged(payload),
      pong: (socket, payload) => linkOf(socket).ponged(payload),
      close: (socket, code, reason, info) => linkOf(socket).closed({ code, reason, ...info }),
    };
    return resolveRoute(route, {
      options: {},
      budget: this.context.budget,
      report: this.#report,
      highWaterBytes: HIGH_WATER_BYTES,
    });
  }
}
