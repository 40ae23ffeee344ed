// What a supervisor holds before its first worker starts, in the order of taking: the pid file, the sockets, the
// folder of its own socket; then it becomes the user that it is to be. All of it may be what the program
// before this one, or a service manager, has left.

import { chownSync, rmSync } from 'node:fs';
import { SluiceError } from '../base/errors.ts';
import { makeControlFolder } from './control-server.ts';
import { keptAddressOf, ListeningSockets } from './listening-sockets.ts';
import type { ResolvedOptions } from './options.ts';
import { PidFile } from './pid-file.ts';
import { becomeUser, findUser } from './process-user.ts';
import { type HandedSocket, ServiceManager, takeHandedSockets } from './service-manager.ts';
import { type Succession, takeSuccession } from './succession.ts';

export interface Holdings {
  readonly pidFile: PidFile | undefined;
  readonly sockets: ListeningSockets;
  readonly folder: string;
  readonly manager: ServiceManager;
  /** What the program before has left. */
  readonly succession: Succession | undefined;
}

/** @throws SluiceError (rejects) as supervise(); nothing is held then */
export async function takeHoldings(options: ResolvedOptions): Promise<Holdings> {
  const { user, group } = options;
  const succession = takeSuccession(process.env);
  const identity = user === undefined ? undefined : findUser(user, group);
  const manager = new ServiceManager(process.env, options.log);
  const handed = takeHandedSockets(process.env);
  const pidFile = takePidFile(options.pidFile, succession);
  let sockets: ListeningSockets | undefined;
  let folder: string | undefined;
  try {
    const kept = [...(succession?.addresses ?? []), ...handed.map(keptAddressOf)];
    sockets = await ListeningSockets.open(options.listen, options.workers, kept);
    checkAllUsed(handed, sockets);
    folder = succession?.folder ?? makeControlFolder();
    if (identity !== undefined) {
      sockets.giveTo(identity);
      chownSync(folder, identity.uid, identity.gid);
      becomeUser(identity);
    }
    return { pidFile, sockets, folder, manager, succession };
  } catch (error) {
    sockets?.close();
    pidFile?.release();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

function takePidFile(
  path: string | undefined,
  succession: Succession | undefined,
): PidFile | undefined {
  const held = succession?.pidFile;
  const isKept = held !== undefined && held.path === path;
  if (held !== undefined && !isKept) new PidFile(held.path, held).release();
  return path === undefined ? undefined : new PidFile(path, held);
}

/** A socket that nobody serves would take connections that nobody answers. */
function checkAllUsed(handed: readonly HandedSocket[], sockets: ListeningSockets): void {
  const unused = handed.filter(({ fd }) => !sockets.descriptors.includes(fd));
  if (unused.length === 0) return;
  const names = unused.map(({ name, host, port }) => {
    const place = port === 0 ? host.replace('\0', '@') : `${host}:${port}`;
    return name === '' ? place : `${place} (${name})`;
  });
  const text = `LISTEN_FDS has sockets that listen does not ask for: ${names.join(', ')}.`;
  throw new SluiceError('ERR_ARG_RANGE', text);
}
