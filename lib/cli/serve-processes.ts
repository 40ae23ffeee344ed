// The supervisor of a gateway in several processes: N places for workers, and one, the last, for the clerk. It
// opens the addresses and keeps them, and reads nothing of what goes through.

import { join } from 'node:path';
import { makeDataFolder } from '../base/data-folder.ts';
import type { Log } from '../base/log.ts';
import type { GatewayConfig } from '../gateway/config-schema.ts';
import { settingsOf } from '../gateway/config-settings.ts';
import { DRAIN_SPREAD_MS } from '../gateway/limits.ts';
import { supervise } from '../process/supervisor.ts';
import { tellReady } from './daemon.ts';
import { adminPathOf, PID_FILE } from './data-files.ts';
import { type HandedSettings, handDown } from './handed-settings.ts';
import { packageVersion } from './version.ts';

/** For the last records of the workers, and the clerk's open calls to Meta after them. */
const STOP_TIMEOUT_MS = 15_000;

/**
 * @param readConfig at the start and before each reload; what it throws then ends the reload
 * @param check arguments of `sluice` with which a new version tries itself
 * @returns the exit code, when the last process is gone
 */
export async function serveProcesses(
  readConfig: () => Promise<GatewayConfig>,
  workers: number,
  check: readonly string[],
  log: Log,
): Promise<number> {
  const config = await readConfig();
  let handed = handedOf(config);
  const serving = Array.from({ length: workers }, (_, slot) => slot);
  const { host, port } = config.admin;
  makeDataFolder(config.data);
  const adminSocket = adminPathOf(config.data, log);
  const supervisor = await supervise({
    workers: workers + 1,
    listen: [
      ...config.listen.map((listen) => ({ host: listen.host, port: listen.port, slots: serving })),
      { host, port, slots: [workers] },
    ],
    pidFile: join(config.data, PID_FILE),
    ...(adminSocket === undefined ? {} : { adminSocket }),
    version: packageVersion(),
    check: { args: check },
    roles: [...serving.map(() => 'worker'), 'clerk'],
    startTogether: true,
    drainWindowMs: DRAIN_SPREAD_MS,
    stopTimeoutMs: STOP_TIMEOUT_MS,
    env: () => handDown(handed),
    beforeReload: async () => {
      handed = handedOf(await readConfig());
    },
    log,
  });
  const isUp = await Promise.race([
    supervisor.ready.then(() => true),
    supervisor.ended.then(() => false),
  ]);
  if (isUp) {
    const { ports } = supervisor;
    const urls = config.listen.map((listen, index) => urlOf(listen, ports[index] ?? 0));
    const admin = urlOf({ host }, ports.at(-1) ?? 0);
    log.info({ port: ports[0], urls, admin, workers }, 'listening');
    tellReady();
  }
  return supervisor.ended;
}

function handedOf(config: GatewayConfig): HandedSettings {
  const { host, token } = config.admin;
  const admin = token === undefined ? { host } : { host, token };
  return { settings: settingsOf(config), admin };
}

function urlOf({ host, tls }: { host: string; tls?: unknown }, port: number): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return `${tls === undefined ? 'http' : 'https'}://${name}:${port}`;
}
