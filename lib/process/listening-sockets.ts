// The listening sockets of a supervisor: for each address one per worker that serves it, all open before
// the first worker starts and until the last is gone. Nobody polls them here. Some may be open already: those
// of the program before this one, and those of a service manager.

import { chownSync, closeSync, lstatSync, unlinkSync } from 'node:fs';
import { isIP } from 'node:net';
import { SluiceError } from '../base/errors.ts';
import { errorName } from '../native/error-names.ts';
import { loadNative } from '../native/load.ts';
import { probeAddress } from '../net/port-probe.ts';
import { isDenied } from './pid-file.ts';
import type { ProcessUser } from './process-user.ts';
import type { HandedSocket } from './service-manager.ts';
import type { SupervisedAddress } from './types.ts';

const BACKLOG_DEFAULT = 4096;
const MODE_DEFAULT = 0o660;
const ANY_IPV4 = '0.0.0.0';
const ANY = '::';

/** One address: `fds[i]` is the socket of worker `slots[i]`. A Unix socket is the same for all. */
export interface OpenAddress {
  readonly port: number;
  readonly path: string | undefined;
  readonly slots: readonly number[];
  readonly fds: readonly number[];
}

/** One that is open already. */
export interface KeptAddress extends OpenAddress {
  /** What was asked for: host and port, or a path. */
  readonly place: string;
  /** All places poll the one socket. */
  readonly isShared: boolean;
  /** Of a socket's file that is to be removed at the end. */
  readonly inode?: number;
}

/** From a service manager: each is to be the one socket of an address. */
export function keptAddressOf({ fd, host, port }: HandedSocket): KeptAddress {
  const isPath = isIP(host) === 0;
  const place = isPath ? host : `${host}:${port}`;
  const path = isPath ? host : undefined;
  return { place, port, path, slots: [], fds: [fd], isShared: true };
}

export class ListeningSockets {
  readonly #list: KeptAddress[] = [];

  private constructor() {}

  /**
   * Opens all, or none.
   * @param kept open already; those that no address asks for are closed
   * @throws SluiceError (rejects) ERR_SYSTEM with errno when an address is taken: SO_REUSEPORT alone
   *   would let a second supervisor share the port in silence
   */
  static async open(
    list: readonly SupervisedAddress[],
    workers: number,
    kept: readonly KeptAddress[] = [],
  ): Promise<ListeningSockets> {
    const sockets = new ListeningSockets();
    const free = [...kept];
    try {
      for (const address of list) {
        const slots = address.slots ?? Array.from({ length: workers }, (_, slot) => slot);
        const before = takeKept(free, address);
        if (before !== undefined) sockets.#list.push(adapt(before, address, slots, workers));
        else sockets.#list.push(await openAddress(address, slots));
      }
      const used = new Set(sockets.descriptors);
      for (const fd of new Set(kept.flatMap(({ fds }) => fds))) if (!used.has(fd)) closeSync(fd);
    } catch (error) {
      sockets.close();
      throw error;
    }
    return sockets;
  }

  get addresses(): readonly OpenAddress[] {
    return this.#list.map(({ port, path, slots, fds }) => ({ port, path, slots, fds }));
  }

  /** For a program that takes our place. */
  get kept(): readonly KeptAddress[] {
    return this.#list;
  }

  /** Every descriptor once, in the order in which children get them. */
  get descriptors(): readonly number[] {
    return [...new Set(this.#list.flatMap((address) => address.fds))];
  }

  /** Gives the files of Unix sockets to whom the program will run as. */
  giveTo({ uid, gid }: ProcessUser): void {
    for (const { path, inode } of this.#list) {
      if (path !== undefined && inode !== undefined) chownSync(path, uid, gid);
    }
  }

  close(): void {
    for (const fd of this.descriptors) closeSync(fd);
    for (const { path, inode } of this.#list.splice(0)) {
      if (path === undefined || inode === undefined) continue;
      if (lstatSync(path, { throwIfNoEntry: false })?.ino === inode) removeFile(path);
    }
  }
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    // The folder is root's, who we were at the start: the next start replaces a file that nobody answers.
    if (!isDenied(error)) throw error;
  }
}

function placeOf(address: SupervisedAddress): string {
  return address.path ?? `${hostOf(address)}:${address.port ?? 0}`;
}

/** Takes the one that the address asks for; '::' has IPv4, too. */
function takeKept(free: KeptAddress[], address: SupervisedAddress): KeptAddress | undefined {
  const place = placeOf(address);
  let index = free.findIndex((kept) => kept.place === place);
  if (index < 0 && address.path === undefined && hostOf(address) === ANY_IPV4) {
    index = free.findIndex((kept) => kept.place === `${ANY}:${address.port ?? 0}`);
  }
  return index < 0 ? undefined : free.splice(index, 1)[0];
}

/**
 * For other places than before: a new one gets a socket of its own if it may have one, else it shares. Those
 * that are no more stay, so that siblings empty their queues.
 */
function adapt(
  kept: KeptAddress,
  address: SupervisedAddress,
  wanted: readonly number[],
  workers: number,
): KeptAddress {
  const surplus = kept.slots.filter((slot) => slot >= workers);
  const slots = [...wanted, ...surplus];
  const [shared] = kept.fds as readonly [number];
  const fds = slots.map((slot) => {
    const own = kept.fds[kept.slots.indexOf(slot)];
    if (own !== undefined || kept.isShared) return own ?? shared;
    const { backlog = BACKLOG_DEFAULT } = address;
    // Refused to whom is no longer the user that opened the others.
    const opened = loadNative().openListener(hostOf(address), kept.port, backlog);
    return opened >= 0 ? opened : shared;
  });
  return { ...kept, slots, fds };
}

async function openAddress(
  address: SupervisedAddress,
  slots: readonly number[],
): Promise<KeptAddress> {
  const native = loadNative();
  const place = placeOf(address);
  const { path, backlog = BACKLOG_DEFAULT } = address;
  if (path !== undefined) {
    const opened = native.openPathListener(
      Buffer.from(path),
      address.mode ?? MODE_DEFAULT,
      backlog,
    );
    const fd = succeeded(opened, path);
    const fds = slots.map(() => fd);
    const file = path.startsWith('\0') ? {} : { inode: lstatSync(path).ino };
    return { place, port: 0, path, slots, fds, isShared: true, ...file };
  }
  const host = hostOf(address);
  let port = address.port ?? 0;
  if (port !== 0) await probeAddress(host, port);
  const fds: number[] = [];
  try {
    for (const _ of slots) {
      fds.push(succeeded(native.openListener(host, port, backlog), `${host}:${port}`));
      port = native.descriptorPort(fds[0] as number);
    }
  } catch (error) {
    for (const fd of fds) closeSync(fd);
    throw error;
  }
  return { place, port, path: undefined, slots, fds, isShared: false };
}

function hostOf(address: SupervisedAddress): string {
  const host = address.host === 'localhost' ? '127.0.0.1' : (address.host ?? ANY_IPV4);
  if (isIP(host) === 0) throw new SluiceError('ERR_ARG_RANGE', 'host must be an IP address.');
  return host;
}

function succeeded(result: number, place: string): number {
  if (result >= 0) return result;
  const text = `listen ${errorName(result)} ${place.replace('\0', '@')}`;
  throw new SluiceError('ERR_SYSTEM', text, { errno: result, syscall: 'listen' });
}
