// A gateway's process under its supervisor: the clerk in the last place, a worker in every other one. Each loads
// what it runs, and no more.

import type { Log } from '../base/log.ts';
import type { WorkerRole } from '../process/types.ts';
import { consoleFolder } from './console-folder.ts';
import type { HandedSettings } from './handed-settings.ts';
import { packageVersion } from './version.ts';

/** Never resolves: the process ends when its supervisor says so, or it cannot go on. */
export async function serveRole(
  role: WorkerRole,
  handed: HandedSettings,
  log: Log,
): Promise<never> {
  const onFatal = (error: unknown): void => {
    const reason = error instanceof Error ? error.message : String(error);
    log.error({ reason, slot: role.slot }, 'The process cannot go on and ends.');
    process.exit(1);
  };
  const isClerk = role.slot === role.count - 1;
  // Its line to the supervisor would keep a process alive that has failed to start.
  await (isClerk ? serveClerk : serveWorker)(role, handed, log, onFatal).catch(onFatal);
  return new Promise<never>(() => undefined);
}

type OnFatal = (error: unknown) => void;

async function serveWorker(
  role: WorkerRole,
  handed: HandedSettings,
  log: Log,
  onFatal: OnFatal,
): Promise<void> {
  const { settings } = handed;
  const { WorkerProcess } = await import('../gateway/worker-process.ts');
  const { readConsole } = await import('../gateway/console-route.ts');
  const files = await readConsole(consoleFolder, settings.agents.path);
  await new WorkerProcess({ settings, role, files, log, onFatal }).start();
}

async function serveClerk(
  role: WorkerRole,
  handed: HandedSettings,
  log: Log,
  onFatal: OnFatal,
): Promise<void> {
  const { ClerkProcess } = await import('../gateway/clerk-process.ts');
  const { createMetrics } = await import('../gateway/metrics.ts');
  const { addAdminRoutes } = await import('../gateway/admin.ts');
  const { createServer } = await import('../server/server.ts');
  const metrics = createMetrics(() => clerk.stats());
  const clerk = new ClerkProcess({
    settings: handed.settings,
    role,
    log,
    onCommit: (sample) => metrics.observeCommit(sample),
    onFatal,
  });
  await clerk.start();
  const { host, token } = handed.admin;
  const admin = createServer({ onError: (error) => log.error({ reason: String(error) }, 'admin') });
  addAdminRoutes(admin, {
    host,
    version: packageVersion(),
    metrics,
    stats: () => clerk.stats(),
    isReady: () => clerk.isReady,
    ...(token === undefined ? {} : { token }),
  });
  await role.serve(admin);
}
