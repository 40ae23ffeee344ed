// Runs one gateway with its admin address: what `start` and `dev` have in common.

import type { Log } from '../base/log.ts';
import { addAdminRoutes } from '../gateway/admin.ts';
import type { GatewayConfig } from '../gateway/config-schema.ts';
import { settingsOf } from '../gateway/config-settings.ts';
import { createGateway, type Gateway, type GatewayDeps } from '../gateway/gateway.ts';
import { createMetrics } from '../gateway/metrics.ts';
import { probeAddress } from '../net/port-probe.ts';
import { createServer } from '../server/server.ts';
import { consoleFolder } from './console-folder.ts';
import { packageVersion } from './version.ts';

const ADMIN_CLOSE_MS = 500;

export interface Service {
  readonly gateway: Gateway;
  /** One per listening address. */
  readonly urls: readonly string[];
  readonly adminUrl: string;
  stop(): Promise<void>;
}

/** @throws SluiceError as Gateway.start() does */
export async function serve(
  config: GatewayConfig,
  log: Log,
  deps: Partial<GatewayDeps> = {},
): Promise<Service> {
  const metrics = createMetrics(() => gateway.stats());
  const gateway = createGateway(settingsOf(config), {
    log,
    consoleFolder,
    onCommit: (sample) => metrics.observeCommit(sample),
    ...deps,
  });
  const { urls } = await gateway.start();
  const { host, port, token } = config.admin;
  const admin = createServer({ host, port, onError: (error) => logFailure(log, error) });
  addAdminRoutes(admin, {
    host,
    version: packageVersion(),
    metrics,
    stats: () => gateway.stats(),
    isReady: () => gateway.isReady,
    ...(token === undefined ? {} : { token }),
  });
  try {
    await probeAddress(host, port);
    const bound = await admin.listen();
    const adminUrl = `http://${host.includes(':') ? `[${host}]` : host}:${bound.port}`;
    const stop = async (): Promise<void> => {
      await gateway.stop();
      await admin.close({ deadlineMs: ADMIN_CLOSE_MS });
    };
    return { gateway, urls, adminUrl, stop };
  } catch (error) {
    await gateway.stop({ graceful: false });
    throw error;
  }
}

function logFailure(log: Log, error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  log.error({ reason }, 'A request to the admin address failed.');
}
