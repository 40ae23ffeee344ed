// Who a program runs as once its ports are bound. Looked up before anything changes; groups go first, since
// afterwards nobody may change them.

import { userInfo } from 'node:os';
import { SluiceError } from '../base/errors.ts';

/** Not in the types of every Node. */
interface PosixProcess {
  geteuid(): number;
  getegid(): number;
  seteuid(id: number | string): void;
  setegid(id: number | string): void;
  setuid(id: number): void;
  setgid(id: number): void;
  setgroups(groups: readonly number[]): void;
  initgroups(user: string, group: number): void;
}

export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
  /** Undefined for a number that nobody has: no further groups then. */
  readonly name: string | undefined;
}

const posix = process as unknown as PosixProcess;
const ROOT = 0;

/**
 * @param group default: the user's own
 * @throws SluiceError ERR_ARG_RANGE for a user or group that is not there, ERR_STATE when this process is
 *   somebody else and not root
 */
export function findUser(user: string | number, group?: string | number): ProcessUser {
  const before = { uid: posix.geteuid(), gid: posix.getegid() };
  try {
    if (group !== undefined) become('group', group, () => posix.setegid(group));
    const gid = posix.getegid();
    become('user', user, () => posix.seteuid(user));
    const uid = posix.geteuid();
    const found = entryOfOurs();
    if (group !== undefined || before.uid !== ROOT) return { uid, gid, name: found?.name };
    if (found !== undefined) return { uid, ...found };
    throw new SluiceError('ERR_ARG_RANGE', `User ${String(user)} has no group: name one, too.`);
  } finally {
    posix.seteuid(before.uid);
    posix.setegid(before.gid);
  }
}

/** Of all threads, for good. Does nothing when this process is not root: it is that user already. */
export function becomeUser({ uid, gid, name }: ProcessUser): void {
  if (posix.geteuid() !== ROOT) return;
  posix.setgid(gid);
  if (name === undefined) posix.setgroups([gid]);
  else posix.initgroups(name, gid);
  posix.setuid(uid);
}

/** Tries it for a moment: the system resolves names, and lets everybody become who he is. */
function become(kind: string, id: string | number, set: () => void): void {
  try {
    set();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EPERM') {
      const text = `Only root may become ${kind} ${String(id)}.`;
      throw new SluiceError('ERR_STATE', text, { cause });
    }
    throw new SluiceError('ERR_ARG_RANGE', `There is no ${kind} ${String(id)}.`, { cause });
  }
}

/** In the system's list, which userInfo() looks up for the effective user. */
function entryOfOurs(): { gid: number; name: string } | undefined {
  try {
    const { gid, username: name } = userInfo();
    return { gid, name };
  } catch (error) {
    // A number that nobody has.
    if ((error as NodeJS.ErrnoException).code === 'ERR_SYSTEM_ERROR') return undefined;
    throw error;
  }
}
