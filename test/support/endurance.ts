// A server and its clients in processes of their own, spoken to in lines: for tests with more connections
// than one process has descriptors, or that look at a whole process's memory and CPU time.

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SERVER = join(ROOT, 'test/support/children/endurance-server.mjs');
const CLIENT_SOURCE = join(ROOT, 'test/support/native/crowd_client.cc');
const FLOOR_SOURCE = join(ROOT, 'bench/native/floor.cc');

/** Whether the long form is asked for: `npm run soak`. */
export const IS_SOAK = process.env['SLUICE_TEST_SOAK'] === '1';

export interface Usage {
  readonly cpuMs: number;
  readonly connections: number;
}

export interface Measure extends Usage {
  readonly rss: number;
  readonly heapUsed: number;
  readonly live: Readonly<Record<string, number>>;
  /** Of the muted sockets. */
  readonly pendingMax: number;
  readonly pendingSum: number;
  /** Codes of the sockets that have closed since the last time. */
  readonly closed: readonly number[];
}

/** A child that answers each line with a line of JSON. */
export class Peer {
  readonly process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(command: string, args: readonly string[]) {
    this.process = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    if (this.process.stdout === null) throw new Error('no standard output');
    this.#lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
  }

  async answer<Answer>(): Promise<Answer> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`${this.process.spawnfile} has ended`);
    return JSON.parse(value) as Answer;
  }

  ask<Answer>(line: string): Promise<Answer> {
    this.process.stdin?.write(`${line}\n`);
    return this.answer();
  }

  end(): void {
    this.process.kill('SIGKILL');
  }
}

export interface EnduranceOptions {
  /** Of createServer. */
  readonly options?: object;
  /** Of every WebSocket route. */
  readonly route?: object;
  /** `ulimit -n` of the server. */
  readonly descriptors?: number;
  /** In a network of its own, which vanish() takes down; needs root. */
  readonly isolated?: boolean;
}

export class Endurance {
  readonly server: Peer;
  readonly port: number;
  readonly #isolated: boolean;
  readonly #clients: Peer[] = [];

  private constructor(server: Peer, port: number, isolated: boolean) {
    this.server = server;
    this.port = port;
    this.#isolated = isolated;
  }

  static async start({
    descriptors,
    isolated = false,
    ...rest
  }: EnduranceOptions = {}): Promise<Endurance> {
    let command = [process.execPath, '--expose-gc', SERVER, JSON.stringify(rest)];
    if (descriptors !== undefined) command = shell(`ulimit -n ${descriptors}`, command);
    if (isolated) command = ['unshare', '--net', ...shell('ip link set lo up', command)];
    const [program = '', ...args] = command;
    const server = new Peer(program, args);
    const { port } = await server.answer<{ port: number }>();
    return new Endurance(server, port, isolated);
  }

  measure(): Promise<Measure> {
    return this.server.ask('measure');
  }

  /** For a server that has no descriptor left. */
  usage(): Promise<Usage> {
    return this.server.ask('usage');
  }

  /** A process of clients, see crowd_client.cc. */
  crowd(): Peer {
    const [program = '', ...args] = this.#inside([crowdClient(), String(this.port)]);
    const client = new Peer(program, args);
    this.#clients.push(client);
    return client;
  }

  /** The clients are gone without a word: their network is, or they stand still. */
  vanish(): void {
    if (this.#isolated) {
      const [program = '', ...args] = this.#inside(['ip', 'link', 'set', 'lo', 'down']);
      execFileSync(program, args);
    } else {
      for (const client of this.#clients) client.process.kill('SIGSTOP');
    }
  }

  #inside(command: readonly string[]): readonly string[] {
    return this.#isolated
      ? ['nsenter', '--net', `--target=${this.server.process.pid}`, ...command]
      : command;
  }

  stop(): void {
    for (const client of this.#clients) client.end();
    this.server.end();
  }
}

/** Whether this process may make networks: root, and not locked into a container. */
export function canIsolate(): boolean {
  const attempt = spawnSync('unshare', ['--net', 'ip', 'link', 'set', 'lo', 'up']);
  return attempt.status === 0;
}

/** `command` after `first`, in one process. */
function shell(first: string, command: readonly string[]): string[] {
  return ['sh', '-c', `${first} && exec "$0" "$@"`, ...command];
}

/** The raw epoll loop of the benchmarks, and clients for it: what the machine itself can do. */
export class Floor {
  readonly #floor: Peer;
  readonly crowd: Peer;

  private constructor(floor: Peer, port: number) {
    this.#floor = floor;
    this.crowd = new Peer(crowdClient(), [String(port)]);
  }

  static async start(): Promise<Floor> {
    const floor = new Peer(programOf('floor', FLOOR_SOURCE), []);
    const { port } = await floor.answer<{ port: number }>();
    return new Floor(floor, port);
  }

  stop(): void {
    this.crowd.end();
    this.#floor.end();
  }
}

function crowdClient(): string {
  return programOf('crowd', CLIENT_SOURCE);
}

/** Builds a program where its source has changed. @returns where it is */
function programOf(name: string, source: string): string {
  const header = join(ROOT, 'bench/native/net.h');
  const hash = createHash('sha256');
  for (const file of [source, header]) hash.update(readFileSync(file));
  const program = join(ROOT, 'build/test-clients', `${name}-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(program)) return program;
  mkdirSync(dirname(program), { recursive: true });
  const made = `${program}.${process.pid}`;
  execFileSync(process.env['CXX'] ?? 'g++', ['-std=gnu++20', '-O2', '-o', made, source]);
  renameSync(made, program);
  return program;
}

const AUTOGROUP = '/proc/self/autogroup';

/**
 * Has the kernel's scheduler prefer this session of processes to all others (sched(7), autogroup), so
 * that a clock that is read here shows no other program's time. Needs root.
 * @returns what takes it back; undefined where it cannot be had
 */
export function preferSession(): (() => void) | undefined {
  try {
    const nice = /nice (-?[0-9]+)/.exec(readFileSync(AUTOGROUP, 'utf8'))?.[1];
    if (nice === undefined) return undefined;
    writeFileSync(AUTOGROUP, '-20');
    return () => writeFileSync(AUTOGROUP, nice);
  } catch (error) {
    console.log(`other programs count in what is measured here: ${String(error)}`);
    return undefined;
  }
}

export const MEBIBYTE = 1024 * 1024;
