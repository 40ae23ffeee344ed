// Pieces that the gateway in one process and its roles in several are put together from.

import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { createGraphClient } from '../messenger/graph-client.ts';
import type { GraphClient } from '../messenger/types.ts';
import type { GatewaySettings } from './settings.ts';

export function createGraph(settings: GatewaySettings, clock: Clock, log: Log): GraphClient {
  const { graphUrl, graphVersion, appSecrets, pages } = settings.messenger;
  const tokens = new Map(pages.map((page) => [page.id, page.accessToken]));
  return createGraphClient({
    graphUrl,
    graphVersion,
    tokenOf: (page) => tokens.get(page),
    appSecret: appSecrets[0],
    clock,
    log,
  });
}

/** What a handler of a user's code throws costs its connection; it is told here. */
export function noteHandlerError(log: Log, error: unknown): void {
  const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log.error({ reason }, 'A handler failed; its connection is closed.');
}
