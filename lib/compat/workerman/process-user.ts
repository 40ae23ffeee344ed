// Gives up root after the ports are bound: groups first, since afterwards nobody may change them.

import { execFileSync } from 'node:child_process';

/** Not in the types of every Node. */
type PosixProcess = NodeJS.Process & { initgroups?(user: string, group: string | number): void };

/**
 * @param group empty: the one that is the user's own
 * @throws what setgid(2), initgroups(3) or setuid(2) says, and for a user that is not there
 */
export function becomeUser(user: string, group: string): void {
  if (user === '') {
    if (group !== '') process.setgid?.(group);
    return;
  }
  const own = group === '' ? Number(execFileSync('id', ['-g', '--', user], IDLE)) : group;
  process.setgid?.(own);
  (process as PosixProcess).initgroups?.(user, own);
  process.setuid?.(user);
}

const IDLE = { encoding: 'utf8', timeout: 10_000 } as const;
