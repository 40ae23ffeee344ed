// A worker process of a server among its siblings: it knows their connections, does what they ask for its own,
// hands out tasks or works on them, and leaves in order.

import { deserialize, serialize } from 'node:v8';
import type { BusPeer } from '../../process/bus-types.ts';
import type { Servable, WorkerRole } from '../../process/types.ts';
import type { ServerListener } from '../../server/types.ts';
import { Siblings, type SiblingsOwner } from '../siblings/siblings.ts';
import { SERIALS_MAX, STATS_EVERY_MS } from './bounds.ts';
import { type ClientInfo, clientInfoOf, type Stats, sumOfStats } from './client-info.ts';
import type { Life } from './life.ts';
import type { OtherClients } from './other-clients.ts';
import type { Port } from './port.ts';
import { type CallWord, type PushWord, RELAYED, Relay } from './relay.ts';
import { leaveClient } from './sending.ts';
import { type Task, TaskDesk, TaskQueue, taskLost } from './tasks.ts';

/** What programs send is serialized at once: what cannot be is thrown where it was said. */
type Word =
  | PushWord
  | CallWord
  | { readonly kind: 'pipe'; readonly data: Buffer }
  | { readonly kind: 'task'; readonly id: number; readonly data: Buffer }
  | {
      readonly kind: 'finish';
      readonly id: number;
      readonly data: Buffer;
      readonly isNothing: boolean;
    }
  | { readonly kind: 'stats'; readonly stats: Stats }
  | { readonly kind: 'stop' };

export type TaskCallback = (data: unknown, id: number) => void;

export class Crew implements SiblingsOwner {
  readonly role: WorkerRole;
  readonly relay: Relay;
  readonly #life: Life;
  readonly #others: OtherClients;
  readonly #siblings: Siblings;
  readonly #desk = new TaskDesk();
  readonly #queue = new TaskQueue((task) => this.#work(task));
  readonly #stats = new Map<number, Stats>();
  readonly #masterPid = process.ppid;
  #isFinished = false;

  constructor(life: Life, role: WorkerRole) {
    if (role.serial >= SERIALS_MAX) throw new Error('All numbers of workers are used.');
    this.#life = life;
    this.role = role;
    this.#others = life.others;
    life.clients.startAt(role.serial);
    this.#siblings = new Siblings(role, 'swoole', this);
    this.relay = new Relay(role.serial, this.#siblings, this.#others);
    life.clients.onChange = (fd) => {
      this.#siblings.changed(fd);
      // Its last number is given: a new process has new ones.
      if (life.clients.isSpent) process.kill(process.pid, 'SIGTERM');
    };
  }

  get masterPid(): number {
    return this.#masterPid;
  }

  get isTaskWorker(): boolean {
    return this.role.slot >= this.#life.workerCount;
  }

  /** Serves once it knows the others. */
  async begin(): Promise<void> {
    const { role } = this;
    const life = this.#life;
    const ground = life.openGround();
    role.onLeave(() => this.#leave());
    await this.#siblings.known();
    if (!this.isTaskWorker) {
      for (const [index, port] of life.ports.entries()) {
        port.prepare(ground);
        const server = new PortServer(life, port, index === 0);
        await role.serve(server, { addresses: [index], ready: false });
      }
      life.beginHeartbeat();
      setInterval(() => this.#tellStats(), STATS_EVERY_MS).unref();
    }
    await life.callWorkerStart(role.slot);
    role.ready();
  }

  /** Of all workers; connections exactly, other counts as they were up to a second ago. */
  allStats(own: Stats): Stats {
    const sum = [...this.#stats.values()].reduce(sumOfStats, own);
    return { ...sum, connection_num: this.#life.clients.size + this.#others.size };
  }

  /** @returns false when nobody is there, or he owes too much */
  sendMessage(data: unknown, slot: number): boolean {
    const peer = slot === this.role.slot ? undefined : this.#siblings.peerAt(slot);
    if (peer === undefined) return false;
    const bytes = serialize(data);
    return this.#say(peer.serial, { kind: 'pipe', data: bytes }, bytes.length);
  }

  /** Another worker leaves and is replaced. */
  stopOther(slot: number): boolean {
    const peer = this.#siblings.peerAt(slot);
    return peer !== undefined && this.#say(peer.serial, { kind: 'stop' });
  }

  // ---- tasks -------------------------------------------------------------

  /**
   * @param index of the task worker; -1: who has least to do
   * @param lost called instead of `finished` when its worker is gone
   */
  task(
    data: unknown,
    index: number,
    finished: TaskCallback,
    lost: () => void = () => undefined,
  ): number | false {
    if (this.isTaskWorker) return false;
    const serial = this.#taskWorker(index);
    if (serial === undefined) return false;
    const bytes = serialize(data);
    let id: number | false = false;
    const send = (each: number): boolean =>
      this.#say(serial, { kind: 'task', id: each, data: bytes }, bytes.length);
    id = this.#desk.add(serial, send, {
      finished: (result) => finished(result, id as number),
      lost: () => {
        this.#life.report(taskLost(id));
        lost();
      },
    });
    return id;
  }

  /** The result of the task that is worked on; once per task. */
  finish(data: unknown): boolean {
    const { current } = this.#queue;
    if (current === undefined || this.#isFinished) return false;
    const bytes = serialize(data);
    this.#isFinished = true;
    const word: Word = { kind: 'finish', id: current.id, data: bytes, isNothing: false };
    return this.#say(current.serial, word, bytes.length);
  }

  #taskWorker(index: number): number | undefined {
    const { workerCount } = this.#life;
    if (index >= 0) return this.#siblings.peerAt(workerCount + index)?.serial;
    let best: number | undefined;
    for (let slot = workerCount; slot < this.role.count; slot++) {
      const serial = this.#siblings.peerAt(slot)?.serial;
      if (serial === undefined) continue;
      if (best === undefined || this.#desk.countAt(serial) < this.#desk.countAt(best)) {
        best = serial;
      }
    }
    return best;
  }

  async #work({ id, serial, slot, data }: Task): Promise<void> {
    const { facade, mainCallbacks } = this.#life;
    this.#isFinished = false;
    try {
      const result = await mainCallbacks.get('task')?.(facade, id, slot, data);
      if (result !== undefined) this.finish(result);
    } catch (error) {
      this.#life.report(error);
    }
    if (this.#isFinished) return;
    this.#say(serial, { kind: 'finish', id, data: serialize(undefined), isNothing: true });
  }

  // ---- SiblingsOwner -----------------------------------------------------

  keys(): Iterable<number> {
    return this.#life.clients.fds();
  }

  stateOf(fd: number): ClientInfo | undefined {
    const client = this.#life.clients.get(fd);
    return client === undefined ? undefined : clientInfoOf(client, this.role.slot);
  }

  learned(from: BusPeer, fd: number, info: unknown): void {
    this.#others.learn(from.serial, fd, info as ClientInfo | undefined);
  }

  left(from: BusPeer, isGone: boolean): void {
    this.#others.forget(from.serial);
    if (!isGone) return;
    this.#stats.delete(from.serial);
    this.#desk.left(from.serial);
  }

  heard(from: BusPeer, message: unknown): void {
    const word = message as Word;
    const { facade, mainCallbacks } = this.#life;
    switch (word.kind) {
      case 'push':
        for (const fd of word.fds) facade.push(fd, word.data, word.opcode, word.flags);
        return;
      case 'call':
        this.#called(word);
        return;
      case 'pipe':
        this.#life.call(() =>
          mainCallbacks.get('pipeMessage')?.(facade, from.slot, deserialize(word.data)),
        );
        return;
      case 'task':
        this.#queue.add({
          id: word.id,
          serial: from.serial,
          slot: from.slot,
          data: deserialize(word.data),
        });
        return;
      case 'finish':
        this.#life.call(() => this.#desk.finished(word.id, deserialize(word.data), word.isNothing));
        return;
      case 'stats':
        this.#stats.set(from.serial, word.stats);
        return;
      case 'stop':
        process.kill(process.pid, 'SIGTERM');
        return;
    }
  }

  report(error: unknown): void {
    this.#life.report(error);
  }

  // ------------------------------------------------------------------------

  #called({ method, args }: CallWord): void {
    const { facade } = this.#life;
    const known = RELAYED.find((name) => name === method);
    if (known === undefined) return;
    (facade[known] as (...values: readonly unknown[]) => unknown).apply(facade, [...args]);
  }

  #say(serial: number, word: Word, bytes = 0): boolean {
    return this.#siblings.send(serial, word, bytes);
  }

  #tellStats(): void {
    const stats = this.#life.ownStats();
    this.role.report({ ...stats });
    this.#siblings.sendAll({ kind: 'stats', stats } satisfies Word);
  }

  async #leave(): Promise<void> {
    if (this.isTaskWorker) {
      await this.#queue.idle();
      this.#life.callWorkerStop();
    }
    await this.#siblings.said();
  }
}

/** A port in the form in which a worker process serves. */
class PortServer implements Servable {
  readonly #life: Life;
  readonly #port: Port;
  readonly #isMain: boolean;

  constructor(life: Life, port: Port, isMain: boolean) {
    this.#life = life;
    this.#port = port;
    this.#isMain = isMain;
  }

  async listen(options: Parameters<Servable['listen']>[0]): Promise<ServerListener> {
    const listener = this.#port.listenAt(this.#life.openGround().loop, options);
    this.#port.servesAt(listener.port);
    return listener;
  }

  /** All ports end together. */
  close({ code, windowMs, deadlineMs }: Parameters<Servable['close']>[0]): Promise<void> {
    return this.#life.drain(code, windowMs, deadlineMs);
  }

  get sockets(): ReturnType<() => Servable['sockets']> {
    const mine = [...this.#life.clients.clients()].filter(({ port }) => port === this.#port);
    return mine.map((client) => ({ close: (code: number) => leaveClient(client, code) }));
  }

  stats(): ReturnType<Servable['stats']> {
    const stats = this.#isMain ? this.#life.ownStats() : undefined;
    return {
      connections: { open: stats?.connection_num ?? 0 },
      requests: { total: stats?.request_count ?? 0 },
      messages: { received: 0 },
      bytes: { queued: stats?.send_queued_bytes ?? 0 },
    };
  }
}
