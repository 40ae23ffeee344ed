// Meta's client as the settings want it. Apart from everything else: it loads undici, which a worker does not need.

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
