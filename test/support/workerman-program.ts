// Programs of sluice/workerman in processes of their own; what runs still is ended after each test.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import type { TestClient } from './websocket-client.ts';

const MODULE = new URL('../../dist/compat/workerman/index.js', import.meta.url).href;
/** What programs may use. */
const NAMES = 'Gateway, GatewayWorker, Response, Text, Timer, Worker';
const programs: Program[] = [];
export const clients: TestClient[] = [];

afterEach(async () => {
  for (const { ws } of clients.splice(0)) ws.terminate();
  for (const program of programs.splice(0)) {
    program.child.kill('SIGTERM');
    await program.ended;
  }
});

export class Program {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  output = '';

  constructor(code: string, args: readonly string[] = []) {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-workerman-'));
    // Also for programs that become another user.
    chmodSync(folder, 0o755);
    const file = join(folder, 'program.mjs');
    writeFileSync(file, `import { ${NAMES} } from ${JSON.stringify(MODULE)};\n${code}`);
    this.child = spawn(process.execPath, [file, ...args], {
      env: { ...process.env, FOLDER: folder },
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (text: Buffer) => {
        this.output += text.toString();
      });
    }
    this.ended = once(this.child, 'exit').then(([status]) => status as number | null);
    programs.push(this);
  }

  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const look = (): RegExpExecArray | null => pattern.exec(this.output);
    await expect.poll(look, { timeout: 15_000, message: this.output }).not.toBeNull();
    return look() ?? expect.fail();
  }

  /** Who has started: a list of pids. */
  pids(): number[] {
    return [...this.output.matchAll(/start (\d+) (\d+)/g)].map((match) => Number(match[2]));
  }
}
