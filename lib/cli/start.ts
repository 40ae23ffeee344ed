// `sluice start`: the gateway in the foreground. Logs are JSON lines on stdout.

import { configError, loadConfig } from '../gateway/config.ts';
import { createLog } from './logger.ts';
import { serve } from './serve.ts';
import { runUntilSignal } from './shutdown.ts';

export async function start(options: { readonly config?: string }): Promise<number> {
  const loaded = loadConfig(options.config, process.env);
  if (loaded.config === undefined) throw configError(loaded.faults);
  const log = createLog();
  const service = await serve(loaded.config, log);
  const port = Number(new URL(service.urls[0] ?? 'http://127.0.0.1').port);
  // Before anybody is told: who waits for that line may send a signal at once.
  const ended = runUntilSignal(() => service.stop());
  log.info({ port, urls: service.urls, admin: service.adminUrl }, 'listening');
  return ended;
}
