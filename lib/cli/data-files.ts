// Names in the data folder of a gateway, beside its journal.

import { join } from 'node:path';
import type { Log } from '../base/log.ts';
import { SOCKET_PATH_BYTES_MAX } from '../process/limits.ts';

export const PID_FILE = 'sluice.pid';
export const ADMIN_SOCKET = 'admin.sock';

/** Where the admin socket is; a folder with too long a name has none, and that is said. */
export function adminPathOf(data: string, log: Log): string | undefined {
  const path = join(data, ADMIN_SOCKET);
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) return path;
  log.warn(
    { path },
    'The path is too long for a socket: status, reload and stop are not answered.',
  );
  return undefined;
}

/** Of the gateway of a configuration. @throws SluiceError ERR_CONFIG when that names no data folder */
export async function adminSocketOf(configFile: string | undefined): Promise<string> {
  const { loadDataFolder } = await import('../gateway/config.ts');
  return join(loadDataFolder(configFile, process.env), ADMIN_SOCKET);
}
