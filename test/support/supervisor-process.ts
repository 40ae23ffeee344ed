// A supervisor with its workers in processes of their own, what they tell, and clients for them.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { until } from './until.ts';

export const PROGRAM = fileURLToPath(new URL('children/process-server.mjs', import.meta.url));
const DEADLINE_MS = 15_000;

export interface Line {
  readonly kind: string;
  readonly slot?: number;
  readonly pid?: number;
  readonly [name: string]: unknown;
}

export interface SupervisorProcessOptions {
  readonly workers?: number;
  readonly port?: number;
  /** Beside `listen`: see SupervisorOptions; `worker` says how the workers behave. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Before the program: a command that runs it. */
  readonly wrapper?: readonly string[];
  /** Default: test/support/children/process-server.mjs. */
  readonly program?: string;
  /** Default: the one that runs the tests. */
  readonly node?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** From 3 on. */
  readonly descriptors?: readonly number[];
}

export class SupervisorProcess {
  static readonly running: SupervisorProcess[] = [];
  readonly child: ChildProcess;
  readonly lines: Line[] = [];
  stderr = '';
  port = 0;

  constructor({
    workers = 2,
    port = 0,
    options = {},
    wrapper = [],
    program = PROGRAM,
    node = process.execPath,
    env = {},
    descriptors = [],
  }: SupervisorProcessOptions = {}) {
    const listen = [{ host: '127.0.0.1', port }];
    const json = JSON.stringify({ workers, listen, ...options });
    const [command = '', ...args] = [...wrapper, node, program, json];
    this.child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe', ...descriptors],
      env: { ...process.env, ...env },
    });
    SupervisorProcess.running.push(this);
    const { stdout, stderr } = this.child;
    if (stdout === null || stderr === null) throw new Error('no pipes');
    createInterface({ input: stdout }).on('line', (line) => {
      const said = JSON.parse(line) as Line;
      this.lines.push(said);
      if (said.kind === 'ports') this.port = (said['ports'] as number[])[0] ?? 0;
    });
    stderr.on('data', (chunk) => {
      this.stderr += String(chunk);
    });
  }

  /** One whose workers are all ready. */
  static async start(options: SupervisorProcessOptions = {}): Promise<SupervisorProcess> {
    const supervisor = new SupervisorProcess(options);
    await supervisor.says('all-ready');
    return supervisor;
  }

  /** Ends what a test has left. Workers go with their supervisor. */
  static async killAll(): Promise<void> {
    for (const supervisor of SupervisorProcess.running.splice(0)) {
      supervisor.signal('SIGKILL');
      await supervisor.exitCode();
    }
  }

  count(kind: string): number {
    return this.lines.filter((line) => line.kind === kind).length;
  }

  /** Resolves when the log has that message; see `worker.log` of the program. */
  async logs(message: string): Promise<Line> {
    const find = (): Line | undefined =>
      this.lines.find((line) => line.kind === 'log' && line['message'] === message);
    await until(`log: ${message}`, () => find() !== undefined, DEADLINE_MS);
    return find() as Line;
  }

  /** Resolves with the line when so many of a kind have been said. */
  async says(kind: string, count = 1): Promise<Line> {
    const matching = (): Line[] => this.lines.filter((line) => line.kind === kind);
    const what = `${count} times ${kind}`;
    await until(what, () => matching().length >= count, DEADLINE_MS).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${JSON.stringify(this.lines)} ${this.stderr}`);
    });
    return matching()[count - 1] as Line;
  }

  /** Pids of the workers that are ready and were not told to leave, by place. */
  get serving(): number[] {
    const pids: number[] = [];
    for (const { kind, slot, pid } of this.lines) {
      if (kind === 'ready' && slot !== undefined && pid !== undefined) pids[slot] = pid;
    }
    return pids;
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  async exitCode(): Promise<number | null> {
    const { child } = this;
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return child.exitCode;
  }

  get(path = '/'): Promise<string> {
    return request(this.port, path);
  }
}

/** One request on a connection of its own. @returns the body @throws when it failed in any way */
export function request(port: number, path = '/', timeoutMs = 5_000): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error('no answer in time')));
    socket.on('connect', () => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    });
    socket.on('data', (chunk) => {
      text += String(chunk);
    });
    socket.on('error', reject);
    socket.on('close', () => {
      if (text.startsWith('HTTP/1.1 200')) resolve(text.slice(text.indexOf('\r\n\r\n') + 4));
      else reject(new Error(`not answered: ${text}`));
    });
  });
}

/** Asks again and again, several at a time, until it is stopped. */
export class SteadyLoad {
  readonly failures: string[] = [];
  answered = 0;
  /** Of one request, with its connection. */
  slowestMs = 0;
  #isStopped = false;
  readonly #lanes: Promise<void>[];

  constructor(port: number, lanes = 8) {
    this.#lanes = Array.from({ length: lanes }, () => this.#run(port));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#lanes);
  }

  async #run(port: number): Promise<void> {
    while (!this.#isStopped) {
      const startedAt = performance.now();
      try {
        await request(port);
        this.answered++;
      } catch (error) {
        this.failures.push(String(error));
      }
      this.slowestMs = Math.max(this.slowestMs, performance.now() - startedAt);
    }
  }
}
