// `sluice start`: the gateway in the foreground. Logs are JSON lines on stdout. With more than one worker this
// program runs three times over: as the supervisor, as the clerk and as every worker.

import { join } from 'node:path';
import { makeDataFolder } from '../base/data-folder.ts';
import { SluiceError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { GatewayConfig } from '../gateway/config-schema.ts';
import { type AdminSocket, openAdminSocket } from '../process/admin-socket.ts';
import { PidFile } from '../process/pid-file.ts';
import { ServiceManager, takeHandedSockets } from '../process/service-manager.ts';
import type { WorkerRole } from '../process/types.ts';
import { workerRole } from '../process/worker.ts';
import type { AloneAdmin } from './alone-admin.ts';
import { tellReady } from './daemon.ts';
import { adminPathOf, PID_FILE } from './data-files.ts';
import { takeHanded } from './handed-settings.ts';
import { createLog } from './logger.ts';
import type { Service } from './serve.ts';
import { packageVersion } from './version.ts';
import { workerCountOf } from './worker-count.ts';

export interface StartOptions {
  readonly config?: string;
  readonly workers?: number | 'auto';
  readonly daemon?: boolean;
}

export async function start(options: StartOptions): Promise<number> {
  const role = workerRole();
  const log = createLog();
  if (role !== undefined) return startRole(role, options.config, log);
  const config = await readConfig(options.config);
  if (options.daemon === true) return (await import('./daemon.ts')).startDaemon(config.data);
  const workers = workerCountOf(options.workers ?? config.workers);
  if (workers === 1) return startAlone(config, log);
  const { serveProcesses } = await import('./serve-processes.ts');
  const check = ['check', ...(options.config === undefined ? [] : ['-c', options.config])];
  // Else the new version is told their number as this one was.
  if (options.workers === undefined) check.push('--running', String(workers));
  return serveProcesses(() => readWholeConfig(options.config), workers, check, log);
}

/** With what the files say that it names: a supervisor opens none of them itself. */
async function readWholeConfig(file: string | undefined): Promise<GatewayConfig> {
  const config = await readConfig(file);
  if (config.listen.every(({ tls }) => tls === undefined)) return config;
  const { settingsOf } = await import('../gateway/config-settings.ts');
  const { findTlsFaults } = await import('../gateway/listen-tls.ts');
  const faults = findTlsFaults(settingsOf(config).listen);
  if (faults.length === 0) return config;
  throw (await import('../gateway/config.ts')).configError(faults);
}

/** @throws SluiceError (rejects) ERR_CONFIG with every fault */
async function readConfig(file: string | undefined): Promise<GatewayConfig> {
  const { configError, loadConfig } = await import('../gateway/config.ts');
  const loaded = loadConfig(file, process.env);
  if (loaded.config === undefined) throw configError(loaded.faults);
  return loaded.config;
}

async function startRole(role: WorkerRole, file: string | undefined, log: Log): Promise<number> {
  const { serveRole } = await import('./serve-role.ts');
  const handed = takeHanded(process.env);
  if (handed !== undefined) return serveRole(role, handed, log);
  const config = await readConfig(file);
  const { settingsOf } = await import('../gateway/config-settings.ts');
  return serveRole(role, { settings: settingsOf(config), admin: config.admin }, log);
}

async function startAlone(config: GatewayConfig, log: Log): Promise<number> {
  const { serve } = await import('./serve.ts');
  const { runUntilSignal } = await import('./shutdown.ts');
  const { AloneAdmin } = await import('./alone-admin.ts');
  if (takeHandedSockets(process.env).length > 0) {
    throw new SluiceError('ERR_STATE', 'Sockets of a service manager take workers: 2 or more.');
  }
  const manager = new ServiceManager(process.env, log);
  makeDataFolder(config.data);
  const pidFile = new PidFile(join(config.data, PID_FILE));
  try {
    const service = await serve(config, log);
    const port = Number(new URL(service.urls[0] ?? 'http://127.0.0.1').port);
    // Before anybody is told: who waits for that line may send a signal at once.
    const ended = runUntilSignal(() => {
      manager.stopping();
      return service.stop();
    });
    const { gateway } = service;
    const admin = new AloneAdmin(gateway, packageVersion(), () => process.emit('SIGTERM'));
    const socket = await adminSocketFor(service, admin, adminPathOf(config.data, log));
    process.on('SIGHUP', () => reloadOf(admin, log));
    // The kernel's answer to it would be the end.
    process.on('SIGUSR2', () => log.warn({}, 'An upgrade in place takes workers: 2 or more.'));
    log.info({ port, urls: service.urls, admin: service.adminUrl }, 'listening');
    tellReady();
    manager.ready();
    manager.startWatchdog(() => true);
    const code = await ended;
    admin.end();
    await socket?.close();
    manager.close();
    return code;
  } finally {
    pidFile.release();
  }
}

/** Without the socket that it should have a gateway does not go on. */
async function adminSocketFor(
  service: Service,
  admin: AloneAdmin,
  path: string | undefined,
): Promise<AdminSocket | undefined> {
  if (path === undefined) return undefined;
  try {
    return await openAdminSocket(path, admin);
  } catch (error) {
    admin.end();
    await service.stop();
    throw error;
  }
}

function reloadOf(admin: AloneAdmin, log: Log): void {
  admin.reload().catch((error: unknown) => log.error({ reason: String(error) }, 'reload failed'));
}
