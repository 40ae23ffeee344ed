// The line between supervisor and worker: kinds of records and what they carry, as JSON. Both halves import
// it; a kind's number never changes its meaning.

import type { Socket } from 'node:net';
import type { ConnectionQuery, ConnectionRow } from './connection-list.ts';
import { CONTROL_BYTES_MAX } from './limits.ts';
import type { LoadReading } from './load-meter.ts';
import { encodeRecord, RecordReader } from './record.ts';

/** What a worker says. `hello` comes first and again after each new connection. */
export interface WorkerWords {
  readonly hello: {
    readonly serial: number;
    readonly pid: number;
    readonly state: WorkerState;
    readonly hasBus: boolean;
  };
  readonly state: { readonly state: WorkerState };
  readonly beat: WorkerBeat;
  /** Its socket on the bus is there. */
  readonly bus: Readonly<Record<string, never>>;
  /** Its sockets, as was asked. */
  readonly listed: { readonly id: number; readonly rows: readonly ConnectionRow[] };
  readonly ask: { readonly action: 'reload' | 'stop' | 'stop-gracefully' };
}

/** What the supervisor says. */
export interface SupervisorWords {
  readonly welcome: { readonly beatMs: number };
  /** Leave: close sockets with `code` over the window, then finish within `restMs`. */
  readonly leave: { readonly code: number; readonly windowMs: number; readonly restMs: number };
  /** Serve the socket of another place, too, until told otherwise. */
  readonly adopt: { readonly address: number; readonly slot: number };
  readonly release: { readonly address: number; readonly slot: number };
  /** Tell of your sockets. */
  readonly list: { readonly id: number; readonly query: ConnectionQuery };
  /** Who is on the bus. */
  readonly peers: { readonly serials: readonly number[] };
}

export type WorkerState = 'starting' | 'ready' | 'draining';

export interface WorkerBeat extends LoadReading {
  readonly extra: Readonly<Record<string, unknown>>;
}

const WORKER_KINDS = { hello: 1, state: 2, beat: 3, ask: 4, bus: 5, listed: 6 } as const;
const SUPERVISOR_KINDS = {
  welcome: 16,
  leave: 17,
  adopt: 18,
  release: 19,
  peers: 20,
  list: 21,
} as const;
const KINDS: Readonly<Record<string, number>> = { ...WORKER_KINDS, ...SUPERVISOR_KINDS };
const NAMES = new Map(Object.entries(KINDS).map(([name, kind]) => [kind, name]));

/** One word and what it carries. */
export type Said<Words> = {
  readonly [Name in keyof Words]: { readonly name: Name; readonly body: Words[Name] };
}[keyof Words];

/** One end of a control line. */
export class ControlLine<Hears, Says> {
  readonly #socket: Socket;

  /**
   * @param heard called with each word in order; words of a newer version that we do not know are
   *   passed over
   * @param lost called once, when the line has ended for whatever reason
   */
  constructor(socket: Socket, heard: (said: Said<Hears>) => void, lost: () => void) {
    this.#socket = socket;
    const reader = new RecordReader(CONTROL_BYTES_MAX);
    const sink = (kind: number, bytes: Buffer, start: number, end: number): boolean => {
      const name = NAMES.get(kind);
      if (name === undefined) return true;
      const body = JSON.parse(bytes.toString('utf8', start, end)) as unknown;
      heard({ name, body } as Said<Hears>);
      return true;
    };
    socket.on('data', (chunk: Buffer) => {
      if (!reader.push(chunk, 0, chunk.length, sink)) socket.destroy();
    });
    socket.on('error', () => socket.destroy());
    socket.once('close', lost);
  }

  say<Name extends keyof Says & string>(name: Name, body: Says[Name]): void {
    if (!this.#socket.writable) return;
    this.#socket.write(encodeRecord(KINDS[name] as number, JSON.stringify(body)));
  }

  close(): void {
    this.#socket.destroy();
  }
}
