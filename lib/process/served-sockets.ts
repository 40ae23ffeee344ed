// The listening sockets as a worker has them: which of them its servers poll. Each listener gets a duplicate,
// since a loop closes what it is given, and a socket may be adopted, released and adopted again.

import { closeSync } from 'node:fs';
import { SluiceError } from '../base/errors.ts';
import { errorName } from '../native/error-names.ts';
import { loadNative } from '../native/load.ts';
import type { ServerListener } from '../server/types.ts';
import type { OpenAddress } from './listening-sockets.ts';
import type { Servable, ServeOptions } from './types.ts';

interface Served {
  readonly server: Servable;
  readonly addresses: readonly number[];
  readonly listen: NonNullable<ServeOptions['listen']>;
}

export class ServedSockets {
  readonly #addresses: readonly OpenAddress[];
  readonly #slot: number;
  readonly #served: Served[] = [];
  readonly #listeners: ServerListener[] = [];
  /** Of other places, by "address:slot". */
  readonly #adopted = new Map<string, ServerListener[]>();
  #isClosed = false;

  constructor(addresses: readonly OpenAddress[], slot: number) {
    this.#addresses = addresses;
    this.#slot = slot;
  }

  /** All that have listened here. */
  get servers(): readonly Servable[] {
    return [...new Set(this.#served.map((served) => served.server))];
  }

  /** @throws SluiceError (rejects) ERR_ARG_RANGE for an address that is not there or not this worker's */
  async serve(server: Servable, options: ServeOptions): Promise<void> {
    const served = { server, addresses: this.#chosen(options), listen: options.listen ?? {} };
    this.#served.push(served);
    for (const index of served.addresses) {
      const { slots, fds } = this.#addresses[index] as OpenAddress;
      const fd = fds[slots.indexOf(this.#slot)] as number;
      this.#keep(this.#listeners, await this.#listen(served, fd));
    }
  }

  /** Polls another place's socket, too. Does nothing for an address that is not served here. */
  async adopt(address: number, slot: number): Promise<void> {
    const key = `${address}:${slot}`;
    const open = this.#addresses[address];
    const fd = open?.fds[open.slots.indexOf(slot)];
    if (fd === undefined || this.#isClosed || this.#adopted.has(key)) return;
    const listeners: ServerListener[] = [];
    this.#adopted.set(key, listeners);
    for (const served of this.#served) {
      if (!served.addresses.includes(address)) continue;
      const listener = await this.#listen(served, fd);
      // It may have been released meanwhile.
      if (this.#adopted.get(key) === listeners) this.#keep(listeners, listener);
      else listener.close();
    }
  }

  release(address: number, slot: number): void {
    const key = `${address}:${slot}`;
    for (const listener of this.#adopted.get(key) ?? []) listener.close();
    this.#adopted.delete(key);
  }

  /** Stops accepting everywhere; what waits in a socket's queue is the siblings'. */
  close(): void {
    this.#isClosed = true;
    for (const listener of this.#listeners.splice(0)) listener.close();
    for (const listeners of this.#adopted.values()) {
      for (const listener of listeners) listener.close();
    }
    this.#adopted.clear();
  }

  #keep(listeners: ServerListener[], listener: ServerListener): void {
    if (this.#isClosed) listener.close();
    else listeners.push(listener);
  }

  #chosen({ addresses }: ServeOptions): readonly number[] {
    const mine = [...this.#addresses.keys()].filter((index) =>
      this.#addresses[index]?.slots.includes(this.#slot),
    );
    for (const index of addresses ?? []) {
      if (mine.includes(index)) continue;
      throw new SluiceError('ERR_ARG_RANGE', `Address ${index} is not one of this worker's.`);
    }
    return addresses ?? mine;
  }

  async #listen(served: Served, inherited: number): Promise<ServerListener> {
    const fd = loadNative().duplicateDescriptor(inherited);
    if (fd < 0) {
      const details = { errno: fd, syscall: 'fcntl' };
      throw new SluiceError('ERR_SYSTEM', `fcntl ${errorName(fd)} ${inherited}`, details);
    }
    try {
      return await served.server.listen({ ...served.listen, fd, exclusive: true });
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }
}
