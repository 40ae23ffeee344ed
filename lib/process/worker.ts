// A worker's side: what it was handed down, its servers on the sockets of all, and the way it leaves.

import { rmSync } from 'node:fs';
import { SluiceError } from '../base/errors.ts';
import { Bus } from './bus.ts';
import type { WorkerBus } from './bus-types.ts';
import { type Describe, listConnections } from './connection-list.ts';
import type { Said, SupervisorWords, WorkerState, WorkerWords } from './control.ts';
import { ControlLink } from './control-link.ts';
import { type HandDown, takeHandDown } from './hand-down.ts';
import { ABANDONED_DEADLINE_MS, EXTRA_BYTES_MAX, LEAVE_TASKS_MS } from './limits.ts';
import { LoadMeter } from './load-meter.ts';
import { ServedSockets } from './served-sockets.ts';
import type { Servable, ServeOptions, WorkerRole } from './types.ts';

const CODE_RESTART = 1012;
/** What a terminal or a service manager may send to all, and a worker leaves to its supervisor. */
const SUPERVISORS_SIGNALS = ['SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const;
/** For a worker that is told to end by somebody else. */
const TERMINATED = { code: CODE_RESTART, windowMs: 2_000, restMs: 8_000 };

let role: WorkerRole | undefined;

/**
 * Whether this process was started by supervise(): the same program runs in both.
 * @returns what a worker can do, the same object each time; undefined in the supervisor, and in a
 *   process that has nothing to do with either
 */
export function workerRole(): WorkerRole | undefined {
  if (role !== undefined) return role;
  const handDown = takeHandDown(process.env);
  if (handDown !== undefined) role = new Worker(handDown);
  return role;
}

class Worker implements WorkerRole {
  readonly slot: number;
  readonly count: number;
  readonly serial: number;
  readonly #folder: string;
  readonly #sockets: ServedSockets;
  readonly #link: ControlLink;
  readonly #meter = new LoadMeter();
  #describe: Describe = () => ({});
  readonly #drainTasks: ((windowMs: number) => void)[] = [];
  readonly #tasks: (() => void | Promise<void>)[] = [];
  #state: WorkerState = 'starting';
  #extra: Readonly<Record<string, unknown>> = {};
  #bus: Bus | undefined;
  #beats: NodeJS.Timeout | undefined;

  constructor(handDown: HandDown) {
    this.slot = handDown.slot;
    this.count = handDown.count;
    this.serial = handDown.serial;
    this.#folder = handDown.folder;
    this.#sockets = new ServedSockets(handDown.addresses, handDown.slot);
    this.#link = new ControlLink(handDown.folder, {
      hello: () => ({
        serial: this.serial,
        pid: process.pid,
        state: this.#state,
        hasBus: this.#bus !== undefined,
      }),
      heard: (said) => this.#heard(said),
      abandoned: () => this.#abandoned(),
    });
    for (const signal of SUPERVISORS_SIGNALS) process.on(signal, () => undefined);
    process.on('SIGTERM', () => this.#leave(TERMINATED));
  }

  get isDraining(): boolean {
    return this.#state === 'draining';
  }

  get bus(): WorkerBus {
    if (this.#bus === undefined) {
      this.#bus = new Bus({ serial: this.serial, slot: this.slot }, this.#folder);
      // Before the line stands, the hello will say it.
      this.#link.say('bus', {});
    }
    return this.#bus;
  }

  async serve(server: Servable, options: ServeOptions = {}): Promise<void> {
    if (this.isDraining) throw new SluiceError('ERR_STATE', 'The worker is leaving.');
    await this.#sockets.serve(server, options);
    if (options.ready !== false) this.ready();
  }

  ready(): void {
    if (this.#state === 'starting') this.#setState('ready');
  }

  onDrain(task: (windowMs: number) => void): void {
    this.#drainTasks.push(task);
  }

  onLeave(task: () => void | Promise<void>): void {
    this.#tasks.push(task);
  }

  report(extra: Readonly<Record<string, unknown>>): void {
    if (Buffer.byteLength(JSON.stringify(extra)) > EXTRA_BYTES_MAX) {
      throw new SluiceError('ERR_ARG_RANGE', `A report has ${EXTRA_BYTES_MAX} bytes at most.`);
    }
    this.#extra = extra;
  }

  describe(of: Describe): void {
    this.#describe = of;
  }

  request(action: WorkerWords['ask']['action']): void {
    this.#link.say('ask', { action });
  }

  // ---- what the supervisor says ------------------------------------------

  #heard(said: Said<SupervisorWords>): void {
    switch (said.name) {
      case 'welcome':
        this.#beat();
        clearInterval(this.#beats);
        this.#beats = setInterval(() => this.#beat(), said.body.beatMs);
        return;
      case 'leave':
        this.#leave(said.body);
        return;
      case 'adopt':
        // What cannot be adopted fails aloud, as an unhandled rejection: this worker is replaced.
        void this.#sockets.adopt(said.body.address, said.body.slot);
        return;
      case 'release':
        this.#sockets.release(said.body.address, said.body.slot);
        return;
      case 'list': {
        const { id, query } = said.body;
        const rows = listConnections(this.#sockets.servers, query, this.#describe);
        this.#link.say('listed', { id, rows });
        return;
      }
      case 'peers':
        this.#bus?.setPeers(said.body.serials);
        return;
    }
  }

  #beat(): void {
    const load = this.#meter.read(this.#sockets.servers);
    this.#link.say('beat', { ...load, extra: this.#extra });
  }

  /** The supervisor is gone: its ports must be free within seconds, and nobody replaces us. */
  #abandoned(): void {
    rmSync(this.#folder, { recursive: true, force: true });
    this.#leave({ code: CODE_RESTART, windowMs: 0, restMs: ABANDONED_DEADLINE_MS });
  }

  // ---- leaving -----------------------------------------------------------

  /** A second request is only more urgent if it comes from the supervisor, who keeps the deadline. */
  #leave(how: SupervisorWords['leave']): void {
    if (this.isDraining) {
      if (how.windowMs === 0) void this.#leaveAtOnce(how.restMs);
      return;
    }
    this.#setState('draining');
    for (const task of this.#drainTasks.splice(0)) task(how.windowMs);
    this.#sockets.close();
    void this.#drain(how);
  }

  async #drain({ code, windowMs, restMs }: SupervisorWords['leave']): Promise<void> {
    const end = performance.now() + windowMs + restMs;
    const ends = this.#sockets.servers.map((server) =>
      server.close({ code, reason: 'restart', windowMs, deadlineMs: restMs }),
    );
    await Promise.all(ends);
    await this.#runTasks(end - performance.now());
    process.exit(0);
  }

  /** The window is cut short. */
  async #leaveAtOnce(restMs: number): Promise<void> {
    for (const server of this.#sockets.servers) {
      for (const socket of server.sockets) socket.close(CODE_RESTART, 'restart');
    }
    await new Promise((resolve) => setTimeout(resolve, restMs / 2));
    await this.#runTasks(restMs / 2);
    process.exit(0);
  }

  async #runTasks(leftMs: number): Promise<void> {
    const timer = setTimeout(() => process.exit(1), Math.max(LEAVE_TASKS_MS, leftMs));
    for (const task of this.#tasks.splice(0)) {
      try {
        await task();
      } catch (error) {
        console.error(error);
      }
    }
    clearTimeout(timer);
  }

  #setState(state: WorkerState): void {
    this.#state = state;
    this.#link.say('state', { state });
  }
}
