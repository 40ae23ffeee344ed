// The servers of a gateway: one per listening address, on one loop, all with the same routes.

import type { Log } from '../base/log.ts';
import type { Loop } from '../net/types.ts';
import { createServerOn } from '../server/server.ts';
import type { Server } from '../server/types.ts';
import { tlsOptionsOf } from './listen-tls.ts';
import type { GatewaySettings, ListenSettings } from './settings.ts';

export function createServers(loop: Loop, settings: GatewaySettings, log: Log): readonly Server[] {
  const { forwardedHeader, deny = [] } = settings;
  return settings.listen.map((listen) =>
    createServerOn(loop, {
      host: listen.host,
      port: listen.port,
      ...listenOptions(listen),
      trustedProxies: settings.trustedProxies,
      ...(forwardedHeader === undefined ? {} : { forwardedHeader }),
      admission: { deny },
      messageBytesMax: settings.limits.messageBytes,
      queueBytes: settings.limits.queueBytes,
      onError: (error) => noteHandlerError(log, error),
    }),
  );
}

/** How connections begin at an address. */
export function listenOptions({ tls, proxyProtocol = 'off' }: ListenSettings) {
  return { ...(tls === undefined ? {} : { tls: tlsOptionsOf(tls) }), proxyProtocol };
}

/** What a handler of a user's code throws costs its connection; it is told here. */
function noteHandlerError(log: Log, error: unknown): void {
  const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log.error({ reason }, 'A handler failed; its connection is closed.');
}
