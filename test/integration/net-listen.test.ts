// Listening in all its forms, on real sockets: by path, by inherited descriptor, at several places.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, connect, createServer as createNodeServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AddressSet } from '../../lib/base/ip-address.ts';
import { createLoop, type EventLoop } from '../../lib/net/event-loop.ts';
import type { Connection, ConnectionOwner, ListenOptions } from '../../lib/net/types.ts';
import { ADMISSION_BLOCKS_MAX } from '../../lib/server/admission/admission-options.ts';
import { createServer } from '../../lib/server/server.ts';

let folder = '';
let loop: EventLoop;
const peers: Connection[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-listen-'));
  loop = createLoop();
});
afterEach(async () => {
  await loop.close();
  rmSync(folder, { recursive: true, force: true });
  peers.length = 0;
});

function echo(connection: Connection): ConnectionOwner {
  peers.push(connection);
  const ignore = (): void => undefined;
  return {
    onData: (_connection, slab, start, end) => {
      connection.write(slab.subarray(start, end));
    },
    onEnd: () => connection.close(),
    onDrain: ignore,
    onDeadline: ignore,
    onClose: ignore,
    onFailure: () => connection.reset(),
  };
}

/** What the place answers to `text`, or the code of the error. */
async function ask(place: { path: string } | { port: number; host: string }, text = 'hello') {
  const socket = connect(place);
  let answer = '';
  socket.on('data', (chunk) => {
    answer += String(chunk);
  });
  const ended = new Promise<string>((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
    socket.once('close', () => resolve(answer));
  });
  socket.end(text);
  return ended;
}

describe('a path', () => {
  test('serves, says who the peer is, has its mode, and is gone after close', async () => {
    const path = join(folder, 'é.sock');
    const listener = loop.listen({ path, mode: 0o620 }, echo);
    expect(listener).toMatchObject({ host: '', port: 0, path });
    expect(statSync(path).mode & 0o777).toBe(0o620);
    expect(await ask({ path })).toBe('hello');
    expect(peers[0]).toMatchObject({ remoteAddress: '', remotePort: 0 });
    listener.close();
    expect(existsSync(path)).toBe(false);
    expect(await ask({ path })).toBe('ENOENT');
  });

  test('moves a large message in both directions', async () => {
    const path = join(folder, 's');
    loop.listen({ path }, echo);
    const text = 'x'.repeat(3_000_000);
    expect((await ask({ path }, text)) === text).toBe(true);
  });

  test('of a killed server is taken over, of a living one is not', async () => {
    const path = join(folder, 's');
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    expect(() => loop.listen({ path }, echo)).toThrow(
      expect.objectContaining({ code: 'ERR_SYSTEM', errno: -98 }),
    );
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(existsSync(path)).toBe(true);
    loop.listen({ path }, echo);
    expect(await ask({ path })).toBe('hello');
  });

  test('that names a file of another kind is refused and the file left', () => {
    const path = join(folder, 'file');
    writeFileSync(path, 'precious');
    expect(() => loop.listen({ path }, echo)).toThrow(expect.objectContaining({ errno: -98 }));
    expect(existsSync(path)).toBe(true);
  });

  test('may be an abstract name', async () => {
    const path = `\0${folder}`;
    expect(loop.listen({ path }, echo)).toMatchObject({ port: 0, path });
    // A client of node:net cannot name it before Node 22; test/native connects to one.
    const known = readFileSync('/proc/net/unix', 'utf8');
    expect(known).toContain(`@${folder}\n`);
    expect(() => loop.listen({ path }, echo)).toThrow(expect.objectContaining({ errno: -98 }));
  });

  test('is removed when the process exits without closing', async () => {
    const path = join(folder, 's');
    const module = JSON.stringify(new URL('../../dist/net/event-loop.js', import.meta.url).href);
    const script = `import { createLoop } from ${module};
      createLoop().listen({ path: ${JSON.stringify(path)} }, () => undefined);
      process.exit(3);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
    expect(await once(child, 'exit')).toEqual([3, null]);
    expect(existsSync(path)).toBe(false);
  });
});

describe('what is refused', () => {
  const cases: { name: string; options: ListenOptions; code: string; errno?: number }[] = [
    { name: 'nothing', options: {}, code: 'ERR_ARG_RANGE' },
    { name: 'two forms at once', options: { port: 0, path: '/tmp/x' }, code: 'ERR_ARG_RANGE' },
    { name: 'an empty path', options: { path: '' }, code: 'ERR_ARG_RANGE' },
    { name: 'a path of 108 bytes', options: { path: 'x'.repeat(108) }, code: 'ERR_ARG_RANGE' },
    { name: 'a zero inside a path', options: { path: 'a\0b' }, code: 'ERR_ARG_RANGE' },
    { name: 'an empty abstract name', options: { path: '\0' }, code: 'ERR_ARG_RANGE' },
    { name: 'a mode of four digits', options: { path: '/x', mode: 0o1000 }, code: 'ERR_ARG_RANGE' },
    { name: 'a negative descriptor', options: { fd: -1 }, code: 'ERR_ARG_RANGE' },
    { name: 'a closed descriptor', options: { fd: 99_999 }, code: 'ERR_DESCRIPTOR', errno: -9 },
    { name: 'a file', options: { fd: 0 }, code: 'ERR_DESCRIPTOR' },
    { name: 'a port out of range', options: { port: 65_536 }, code: 'ERR_ARG_RANGE' },
    {
      name: 'a tiny send bound',
      options: { port: 0, notSentBytesMax: 4095 },
      code: 'ERR_ARG_RANGE',
    },
    {
      name: 'a user timeout of zero',
      options: { port: 0, userTimeoutMs: 0 },
      code: 'ERR_ARG_RANGE',
    },
    {
      name: 'keep-alive for ever',
      options: { port: 0, keepAliveSeconds: 1e6 },
      code: 'ERR_ARG_RANGE',
    },
    { name: 'a backlog of zero', options: { port: 0, backlog: 0 }, code: 'ERR_ARG_RANGE' },
  ];
  test.each(cases)('$name: $code', ({ options, code, errno }) => {
    const details = errno === undefined ? { code } : { code, errno };
    expect(() => loop.listen(options, echo)).toThrow(expect.objectContaining(details));
  });

  test('a folder that may not be written', () => {
    if (process.getuid?.() === 0) {
      // Root may write everywhere: a folder that is a file refuses everybody.
      writeFileSync(join(folder, 'plain'), '');
      expect(() => loop.listen({ path: join(folder, 'plain', 's') }, echo)).toThrow(/ENOTDIR/);
      return;
    }
    chmodSync(folder, 0o500);
    expect(() => loop.listen({ path: join(folder, 's') }, echo)).toThrow(/EACCES/);
  });
});

describe('what accepted sockets inherit', () => {
  test('a peer that reads slowly leaves less in the kernel, and gets every byte', async () => {
    const bytes = 30_000_000;
    const text = 'z'.repeat(bytes);
    const held: number[] = [];
    for (const notSentBytesMax of [undefined, 16_384]) {
      let accepted: Connection | undefined;
      const tuning = notSentBytesMax === undefined ? {} : { notSentBytesMax };
      const options = { host: '127.0.0.1', port: 0, userTimeoutMs: 20_000, ...tuning };
      const listener = loop.listen(options, (connection) => {
        accepted = connection;
        connection.writeLatin1(text);
        connection.end();
        return echo(connection);
      });
      const socket = connect(listener.port, '127.0.0.1').pause();
      // Not writable any more: the write queue has what the kernel did not take.
      let before = -1;
      while (before !== (accepted?.pendingBytes ?? 0) || before <= 0) {
        before = accepted?.pendingBytes ?? 0;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      held.push(accepted?.info()?.tcp?.notSentBytes ?? -1);
      let received = 0;
      socket.on('data', (chunk) => {
        received += chunk.length;
      });
      socket.resume();
      await once(socket, 'end');
      expect(received).toBe(bytes);
      socket.destroy();
    }
    expect(held[1]).toBeLessThan(held[0] as number);
  });
});

describe('an inherited listener', () => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  async function start(fd: number) {
    const script = fileURLToPath(new URL('../support/children/net-inherited.mjs', import.meta.url));
    const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit', fd] });
    children.push(child);
    const lines = createInterface(child.stdout as Readable)[Symbol.asyncIterator]();
    const line = async (): Promise<unknown> => JSON.parse(String((await lines.next()).value));
    return { child, line, place: await line() };
  }

  test('is shared by processes; one may leave it, and one may die', async () => {
    const maker = createNodeServer();
    maker.listen(0, '127.0.0.1');
    await once(maker, 'listening');
    const { port } = maker.address() as AddressInfo;
    const { fd } = (maker as unknown as { _handle: { fd: number } })._handle;
    const [first, second] = [await start(fd), await start(fd)];
    maker.close();
    const place = { host: '127.0.0.1', port };
    expect([first.place, second.place]).toEqual(Array(2).fill({ ...place, path: null }));
    const pids = [String(first.child.pid), String(second.child.pid)];
    for (let i = 0; i < 20; i++) expect(pids).toContain(await ask(place));
    first.child.stdin?.write('close\n');
    expect(await first.line()).toEqual({ closed: true });
    for (let i = 0; i < 20; i++) expect(await ask(place)).toBe(pids[1]);
    second.child.kill('SIGKILL');
    await once(second.child, 'exit');
    expect(await ask(place)).toBe('ECONNREFUSED');
  });
});

describe('a server', () => {
  test('listens at several places, closes one, and close() ends them all', async () => {
    const path = join(folder, 'http');
    const server = createServer({ host: '127.0.0.1', port: 0 });
    server.get('/', (request, response) => response.end(`ip ${request.ip}\n`));
    const tcp = await server.listen();
    const second = await server.listen({ host: '127.0.0.1', port: 0 });
    const unix = await server.listen({ path });
    expect(server.port).toBe(tcp.port);
    expect(unix).toMatchObject({ host: '', port: 0, path });
    const get = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
    expect(await ask({ path }, get)).toMatch(/\r\n\r\nip \n$/);
    expect(await ask({ port: second.port, host: '127.0.0.1' }, get)).toMatch(/ip 127\.0\.0\.1\n$/);
    second.close();
    second.close();
    expect(await ask({ port: second.port, host: '127.0.0.1' }, get)).toBe('ECONNREFUSED');
    expect(await ask({ path }, get)).toMatch(/^HTTP\/1\.1 200/);
    await expect(server.listen()).rejects.toMatchObject({ code: 'ERR_STATE' });
    await server.close();
    expect(existsSync(path)).toBe(false);
    expect(await ask({ port: tcp.port, host: '127.0.0.1' }, get)).toBe('ECONNREFUSED');
    await expect(server.listen({ path })).rejects.toMatchObject({ code: 'ERR_STATE' });
  });

  test('takes its only place from createServer, a path included', async () => {
    const path = join(folder, 's');
    const server = createServer({ path, mode: 0o600 });
    server.get('/', (_request, response) => response.end('here'));
    expect(await server.listen()).toMatchObject({ path });
    expect(server.port).toBe(0);
    const get = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
    expect(await ask({ path }, get)).toMatch(/here$/);
    await server.close();
  });
});

describe('whom a listener takes in', () => {
  const nobody = new Uint8Array(0);

  test('changes while it listens, and a local socket is always taken in', async () => {
    const listener = loop.listen({ host: '127.0.0.1', port: 0 }, echo);
    const { port } = listener;
    const path = join(folder, 'gate.sock');
    const local = loop.listen({ path }, echo);
    const denied = new AddressSet(['127.0.0.1']).encode();
    listener.guard({ exempt: nobody, denied });
    local.guard({ exempt: nobody, denied: new AddressSet(['::/0']).encode() });
    expect(await ask({ host: '127.0.0.1', port })).toBe('ECONNRESET');
    expect(await ask({ path })).toBe('hello');
    listener.guard({ exempt: denied, denied });
    expect(await ask({ host: '127.0.0.1', port })).toBe('hello');
    listener.guard({ exempt: nobody, denied: nobody, allowed: nobody });
    expect(await ask({ host: '127.0.0.1', port })).toBe('ECONNRESET');
    expect(loop.refusalCounters()).toEqual({ denied: 2, untrusted: 0, malformed: 0, late: 0 });
    expect(peers).toHaveLength(2);
  });

  test('100,000 blocks of each kind, and not one more', () => {
    const blockBytes = 17;
    const listener = loop.listen({ host: '127.0.0.1', port: 0 }, echo);
    listener.guard({ exempt: nobody, denied: new Uint8Array(ADMISSION_BLOCKS_MAX * blockBytes) });
    const tooMany = new Uint8Array((ADMISSION_BLOCKS_MAX + 1) * blockBytes);
    for (const lists of [
      { exempt: tooMany, denied: nobody },
      { exempt: nobody, denied: tooMany },
      { exempt: nobody, denied: nobody, allowed: tooMany },
      { exempt: nobody, denied: new Uint8Array(blockBytes - 1) },
      { exempt: nobody, denied: new Uint8Array(blockBytes).fill(129) },
    ]) {
      expect(() => listener.guard(lists)).toThrow(/encoded blocks, 100000/);
    }
    listener.close();
    listener.guard({ exempt: nobody, denied: tooMany });
  });
});
