// Programs of sluice/swoole as processes of their own; each test ends with their end in order.

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect } from 'vitest';
import { until } from './until.ts';
import { TestClient } from './websocket-client.ts';

export const PROGRAMS = fileURLToPath(new URL('./children/swoole', import.meta.url));

export class Program {
  static readonly running: Program[] = [];
  readonly #process: ChildProcess;
  /** It ends by itself, or is to be killed: nobody looks at its exit. */
  endsOtherwise = false;
  readonly #clients: TestClient[] = [];
  output = '';
  #port = 0;

  constructor(file: string) {
    this.#process = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
    Program.running.push(this);
  }

  static async start(name: string, folder = PROGRAMS): Promise<Program> {
    const program = new Program(join(folder, `${name}.mjs`));
    program.#port = Number((await program.says(/listening on (\d+)/))[1]);
    return program;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get origin(): string {
    return `127.0.0.1:${this.#port}`;
  }

  async says(pattern: RegExp): Promise<RegExpExecArray> {
    await until(`${pattern} in ${this.output}`, () => pattern.test(this.output));
    return pattern.exec(this.output) ?? expect.fail(this.output);
  }

  async open(path = '/', ...rest: [(readonly string[])?, object?]): Promise<TestClient> {
    const client = await new TestClient(`ws://${this.origin}${path}`, ...rest).opened();
    this.#clients.push(client);
    return client;
  }

  /** SIGTERM ends it in order. */
  async end(): Promise<number | null> {
    for (const client of this.#clients) client.ws.terminate();
    if (this.#process.exitCode === null) this.#process.kill('SIGTERM');
    await this.ended();
    return this.#process.exitCode;
  }

  async ended(): Promise<void> {
    await until(
      'the exit',
      () => this.#process.exitCode !== null || this.#process.signalCode !== null,
    );
  }
}

afterEach(async () => {
  for (const program of Program.running.splice(0)) {
    const code = await program.end();
    if (!program.endsOtherwise) expect(code, program.output).toBe(0);
  }
});
