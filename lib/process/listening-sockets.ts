// The listening sockets of a supervisor: for each address one per worker that serves it, all open before
// the first worker starts and until the last is gone. Nobody polls them here.

import { closeSync, lstatSync, unlinkSync } from 'node:fs';
import { isIP } from 'node:net';
import { SluiceError } from '../base/errors.ts';
import { errorName } from '../native/error-names.ts';
import { loadNative } from '../native/load.ts';
import { probeAddress } from '../net/port-probe.ts';
import type { SupervisedAddress } from './types.ts';

const BACKLOG_DEFAULT = 4096;
const MODE_DEFAULT = 0o660;

/** One address: `fds[i]` is the socket of worker `slots[i]`. A Unix socket is the same for all. */
export interface OpenAddress {
  readonly port: number;
  readonly path: string | undefined;
  readonly slots: readonly number[];
  readonly fds: readonly number[];
}

export class ListeningSockets {
  readonly addresses: readonly OpenAddress[];
  readonly #files: { readonly path: string; readonly inode: number }[] = [];

  private constructor(addresses: readonly OpenAddress[]) {
    this.addresses = addresses;
  }

  /**
   * Opens all, or none.
   * @throws SluiceError (rejects) ERR_SYSTEM with errno when an address is taken: SO_REUSEPORT alone
   *   would let a second supervisor share the port in silence
   */
  static async open(
    list: readonly SupervisedAddress[],
    workers: number,
  ): Promise<ListeningSockets> {
    const addresses: OpenAddress[] = [];
    const sockets = new ListeningSockets(addresses);
    try {
      for (const address of list) {
        if (address.path === undefined) await probeAddress(hostOf(address), address.port ?? 0);
        addresses.push(openAddress(address, workers));
        sockets.#noteFile(address.path);
      }
    } catch (error) {
      sockets.close();
      throw error;
    }
    return sockets;
  }

  /** Every descriptor once, in the order in which children get them. */
  get descriptors(): readonly number[] {
    return [...new Set(this.addresses.flatMap((address) => address.fds))];
  }

  close(): void {
    for (const fd of this.descriptors) closeSync(fd);
    for (const { path, inode } of this.#files.splice(0)) {
      if (lstatSync(path, { throwIfNoEntry: false })?.ino === inode) unlinkSync(path);
    }
  }

  #noteFile(path: string | undefined): void {
    if (path === undefined || path.startsWith('\0')) return;
    this.#files.push({ path, inode: lstatSync(path).ino });
  }
}

function openAddress(address: SupervisedAddress, workers: number): OpenAddress {
  const native = loadNative();
  const slots = address.slots ?? Array.from({ length: workers }, (_, slot) => slot);
  const backlog = address.backlog ?? BACKLOG_DEFAULT;
  if (address.path !== undefined) {
    const bytes = Buffer.from(address.path);
    const opened = native.openPathListener(bytes, address.mode ?? MODE_DEFAULT, backlog);
    const fd = succeeded(opened, address.path);
    return { port: 0, path: address.path, slots, fds: slots.map(() => fd) };
  }
  const host = hostOf(address);
  const fds: number[] = [];
  let port = address.port ?? 0;
  try {
    for (const _ of slots) {
      fds.push(succeeded(native.openListener(host, port, backlog), `${host}:${port}`));
      port = native.descriptorPort(fds[0] as number);
    }
  } catch (error) {
    for (const fd of fds) closeSync(fd);
    throw error;
  }
  return { port, path: undefined, slots, fds };
}

function hostOf(address: SupervisedAddress): string {
  const host = address.host === 'localhost' ? '127.0.0.1' : (address.host ?? '0.0.0.0');
  if (isIP(host) === 0) throw new SluiceError('ERR_ARG_RANGE', 'host must be an IP address.');
  return host;
}

function succeeded(result: number, place: string): number {
  if (result >= 0) return result;
  const text = `listen ${errorName(result)} ${place.replace('\0', '@')}`;
  throw new SluiceError('ERR_SYSTEM', text, { errno: result, syscall: 'listen' });
}
