// `sluice start`: the gateway in the foreground. Logs are JSON lines on stdout. With more than one worker this
// program runs three times over: as the supervisor, as the clerk and as every worker.

import { availableParallelism } from 'node:os';
import type { Log } from '../base/log.ts';
import { configError, loadConfig } from '../gateway/config.ts';
import type { GatewayConfig } from '../gateway/config-schema.ts';
import { workerRole } from '../process/worker.ts';
import { createLog } from './logger.ts';

export interface StartOptions {
  readonly config?: string;
  readonly workers?: number | 'auto';
}

export async function start(options: StartOptions): Promise<number> {
  // First: what a supervisor hands down is in a variable that is none of the configuration's.
  const role = workerRole();
  const loaded = loadConfig(options.config, process.env);
  if (loaded.config === undefined) throw configError(loaded.faults);
  const { config } = loaded;
  const log = createLog();
  if (role !== undefined) {
    const roles = await import('./serve-role.ts');
    return roles.serveRole(role, config, log);
  }
  const given = options.workers ?? config.workers;
  const workers = given === 'auto' ? availableParallelism() : given;
  if (workers === 1) return startAlone(config, log);
  return (await import('./serve-processes.ts')).serveProcesses(config, workers, log);
}

async function startAlone(config: GatewayConfig, log: Log): Promise<number> {
  const { serve } = await import('./serve.ts');
  const { runUntilSignal } = await import('./shutdown.ts');
  const service = await serve(config, log);
  const port = Number(new URL(service.urls[0] ?? 'http://127.0.0.1').port);
  // Before anybody is told: who waits for that line may send a signal at once.
  const ended = runUntilSignal(() => service.stop());
  log.info({ port, urls: service.urls, admin: service.adminUrl }, 'listening');
  return ended;
}
