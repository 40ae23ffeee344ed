// What may end a process runs in a child: out of descriptors, exit in the middle of a tick, worker
// threads that end. The children use dist/, so the sources must have been compiled.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';

const children: ChildProcess[] = [];
const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

class Child {
  readonly process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  stderr = '';

  constructor(file: string, args: readonly string[] = [], descriptorsMax?: number) {
    const script = fileURLToPath(new URL(`../support/children/${file}`, import.meta.url));
    const limit = descriptorsMax === undefined ? '' : `ulimit -n ${descriptorsMax} && `;
    const command = `${limit}exec "$0" "$@"`;
    this.process = spawn('sh', ['-c', command, process.execPath, script, ...args]);
    children.push(this.process);
    const { stdout, stderr } = this.process;
    if (stdout === null || stderr === null) throw new Error('no pipes');
    this.#lines = createInterface(stdout)[Symbol.asyncIterator]();
    stderr.on('data', (chunk) => {
      this.stderr += String(chunk);
    });
  }

  async line(): Promise<Record<string, unknown>> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`the child ended: ${this.stderr}`);
    return JSON.parse(value) as Record<string, unknown>;
  }

  async exitCode(): Promise<number | null> {
    if (this.process.exitCode === null && this.process.signalCode === null)
      await once(this.process, 'exit');
    return this.process.exitCode;
  }
}

async function open(port: unknown): Promise<Socket> {
  const socket = connect(Number(port), '127.0.0.1');
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

async function echo(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  const [data] = await once(socket, 'data');
  return String(data);
}

test('survives running out of descriptors, and serves those who waited once there are some', async () => {
  const child = new Child('net-echo-server.mjs', [], 40);
  const { port } = await child.line();
  // The kernel completes the handshakes; only some of them can be accepted.
  const clients: Socket[] = [];
  for (let i = 0; i < 60; i++) clients.push(await open(port));
  const served = new Set<Socket>();
  const answers = clients.map(async (client) => {
    const answer = await echo(client, 'hello');
    served.add(client);
    return answer;
  });
  await answers[0];
  // Three rests of the listener: the process must be there and idle meanwhile.
  await new Promise((resolve) => setTimeout(resolve, 350));
  expect(served.size).toBeGreaterThan(3);
  expect(served.size).toBeLessThan(40);
  const first = [...served];
  expect(await echo(first[0] as Socket, 'again')).toBe('again');
  for (const client of first) client.destroy();
  while (served.size < 60) {
    const before = served.size;
    await Promise.any(answers.filter((_, i) => !served.has(clients[i] as Socket)));
    expect(served.size).toBeGreaterThan(before);
    for (const client of served) client.destroy();
  }
  child.process.stdin?.end();
  const { cpuMs } = await child.line();
  expect(cpuMs).toBeLessThan(2_000);
  expect(await child.exitCode()).toBe(0);
});

const exits = [
  { way: 'exit', code: 7 },
  { way: 'close', code: 0 },
];
test.each(exits)(
  'what was written before the process leaves by $way arrives',
  async ({ way, code }) => {
    const child = new Child('net-exit.mjs', [way]);
    const { port } = await child.line();
    const socket = await open(port);
    let text = '';
    socket.on('data', (chunk) => {
      text += String(chunk);
    });
    socket.on('error', (error) => {
      text += error.message;
    });
    socket.write('x');
    await once(socket, 'close');
    expect(text).toBe('last words!');
    expect(await child.exitCode()).toBe(code);
    expect(child.stderr).toBe('');
  },
);

const ways = ['close', 'terminate', 'terminate-live', 'terminate-in-batch', 'exit', 'throw-null'];
test.each(ways)(
  'two worker threads load the addon and end by %s without harm to the main thread',
  async (way) => {
    const child = new Child('net-workers.mjs', [way]);
    expect(await child.line()).toEqual({ answers: Array(4).fill('ping'), leaked: 0 });
    expect(await child.exitCode()).toBe(0);
    expect(child.stderr).toBe('');
  },
);

test('a worker that is terminated inside any operation of a socket harms nobody', async () => {
  const child = new Child('server-workers.mjs');
  const results = await child.line();
  expect(Object.keys(results).length).toBe(21);
  expect(new Set(Object.values(results)), JSON.stringify(results)).toEqual(new Set(['alive']));
  expect(await child.exitCode()).toBe(0);
  expect(child.stderr).toBe('');
}, 30_000);
