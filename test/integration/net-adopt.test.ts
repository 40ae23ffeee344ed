// Sockets of node:http and node:net that the loop takes over: the peer must notice nothing.

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createNetServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLoop, type EventLoop } from '../../lib/net/event-loop.ts';
import type { AdoptOptions, Connection, ConnectionOwner } from '../../lib/net/types.ts';

let loop: EventLoop;
let server: Server;
const clients: Socket[] = [];
const log: string[] = [];

beforeEach(() => {
  loop = createLoop();
  server = createServer();
  log.length = 0;
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  server.close();
  await loop.close();
});

function echo(connection: Connection): ConnectionOwner {
  const ignore = (): void => undefined;
  return {
    onData: (_connection, slab, start, end) => {
      connection.write(slab.subarray(start, end));
    },
    onEnd: () => connection.close(),
    onDrain: ignore,
    onDeadline: ignore,
    onClose: (_connection, errno) => log.push(`close ${errno}`),
    onFailure: () => connection.reset(),
  };
}

function descriptorOf(socket: unknown): number {
  return (socket as { _handle: { fd: number } })._handle.fd;
}

/** Every upgrade is answered 101, and its socket becomes the loop's. */
function takeUpgrades(options: AdoptOptions = {}): void {
  server.on('upgrade', (_request, socket: Socket, head: Buffer) => {
    const adoption = { duplicate: true, head, ...options };
    const connection = loop.adopt(descriptorOf(socket), adoption, echo);
    socket.destroy();
    connection.writeLatin1('HTTP/1.1 101 Switching Protocols\r\n\r\n');
  });
}

async function open(): Promise<{ socket: Socket; untilText(text: string): Promise<void> }> {
  if (!server.listening) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  clients.push(socket);
  await once(socket, 'connect');
  let received = '';
  socket.on('data', (chunk) => {
    received += String(chunk);
  });
  const untilText = async (text: string): Promise<void> => {
    while (!received.endsWith(text)) await once(socket, 'data');
  };
  return { socket, untilText };
}

const UPGRADE = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n';

describe('an upgrade of node:http', () => {
  test('lives on in the loop; the head is the first that it gets', async () => {
    takeUpgrades();
    const { socket, untilText } = await open();
    socket.write(`${UPGRADE}head`);
    await untilText('\r\n\r\nhead');
    for (let i = 0; i < 20; i++) {
      socket.write(`after ${i};`);
      await untilText(`after ${i};`);
    }
    const text = 'y'.repeat(2_000_000);
    socket.write(text);
    await untilText(text);
    socket.end();
    await once(socket, 'close');
    expect(log).toEqual(['close 0']);
    await new Promise((resolve) => server.close(resolve));
  });

  test('a hundred at once, each its own echo', async () => {
    takeUpgrades();
    const peers = [await open()];
    while (peers.length < 100) peers.push(await open());
    for (const [i, { socket }] of peers.entries()) socket.write(`${UPGRADE}one ${i};`);
    await Promise.all(peers.map(({ untilText }, i) => untilText(`one ${i};`)));
    for (const [i, { socket }] of peers.entries()) socket.write(`two ${i};`);
    await Promise.all(peers.map(({ untilText }, i) => untilText(`two ${i};`)));
    expect(loop.connectionCount).toBe(100);
  });

  test('the address is the caller’s word, else the kernel’s', async () => {
    const addresses: string[] = [];
    for (const options of [{}, { remoteAddress: '198.51.100.7', remotePort: 9 }]) {
      server.removeAllListeners('upgrade');
      server.on('upgrade', (_request, socket: Socket) => {
        const fd = descriptorOf(socket);
        const connection = loop.adopt(fd, { duplicate: true, ...options }, echo);
        addresses.push(`${connection.remoteAddress}:${connection.remotePort}`);
        socket.destroy();
        connection.close();
      });
      const { socket } = await open();
      addresses.push(`127.0.0.1:${socket.localPort}`);
      socket.write(UPGRADE);
      await once(socket, 'close');
    }
    expect(addresses[1]).toBe(addresses[0]);
    expect(addresses[3]).toBe('198.51.100.7:9');
  });
});

describe('what is refused', () => {
  test('a number that is no descriptor, a file, a listener, a lonely socket', async () => {
    const listening = createNetServer().listen(0);
    await once(listening, 'listening');
    const cases: [number, string, RegExp][] = [
      [-1, 'ERR_ARG_RANGE', /descriptor/],
      [0.5, 'ERR_ARG_RANGE', /descriptor/],
      [99_999, 'ERR_DESCRIPTOR', /is not open/],
      [descriptorOf(listening), 'ERR_DESCRIPTOR', /listens/],
    ];
    for (const [fd, code, message] of cases) {
      const attempt = (): unknown => loop.adopt(fd, { duplicate: true }, echo);
      expect(attempt).toThrow(expect.objectContaining({ code }));
      expect(attempt).toThrow(message);
    }
    listening.close();
  });

  test('a second adoption, and a head of more than 1 MiB', async () => {
    const codes: unknown[] = [];
    const codeOf = (call: () => unknown): unknown => {
      try {
        return call();
      } catch (error) {
        return (error as { code: unknown }).code;
      }
    };
    server.on('upgrade', (_request, socket: Socket) => {
      const fd = descriptorOf(socket);
      const head = Buffer.alloc(1024 * 1024 + 1);
      codes.push(codeOf(() => loop.adopt(fd, { duplicate: true, head }, echo)));
      loop.adopt(fd, { duplicate: true, head: head.subarray(1) }, echo).reset();
      codes.push(codeOf(() => loop.adopt(fd, { duplicate: true }, echo)));
      socket.destroy();
    });
    const { socket } = await open();
    socket.on('error', () => undefined);
    socket.write(UPGRADE);
    await new Promise((resolve) => socket.once('close', resolve));
    expect(codes).toEqual(['ERR_ARG_RANGE', 'ERR_DESCRIPTOR']);
  });

  test('an accept callback that throws costs the connection, and the caller hears of it', async () => {
    const errors: unknown[] = [];
    server.on('upgrade', (_request, socket: Socket) => {
      try {
        loop.adopt(descriptorOf(socket), { duplicate: true }, () => {
          throw new Error('no');
        });
      } catch (error) {
        errors.push(error);
      }
      socket.destroy();
    });
    const { socket } = await open();
    socket.write(UPGRADE);
    await once(socket, 'close');
    expect(errors).toMatchObject([{ message: 'no' }]);
  });
});

describe('info', () => {
  test('of TCP: addresses, round trip, bytes', async () => {
    let connection: Connection | undefined;
    const listener = loop.listen({ host: '127.0.0.1', port: 0 }, (accepted) => {
      connection = accepted;
      return echo(accepted);
    });
    const socket = connect(listener.port, '127.0.0.1');
    clients.push(socket);
    socket.write('hello');
    await once(socket, 'data');
    const info = connection?.info();
    expect(info).toMatchObject({
      transport: 'tcp',
      localAddress: '127.0.0.1',
      localPort: listener.port,
      remoteAddress: '127.0.0.1',
      remotePort: socket.localPort,
      peer: undefined,
      sentBytes: 5,
      receivedBytes: 5,
    });
    expect(info?.tcp?.rttUs).toBeGreaterThan(0);
    expect(info?.tcp?.retransmits).toBe(0);
    expect(info?.incomingCpu).toBeGreaterThanOrEqual(0);
    socket.destroy();
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (log.length > 0) resolve();
        else setImmediate(look);
      };
      look();
    });
    expect(connection?.info()).toBeUndefined();
  });

  test('of a Unix socket: its path, and who is at the other end', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-info-'));
    const path = join(folder, 's');
    let connection: Connection | undefined;
    loop.listen({ path }, (accepted) => {
      connection = accepted;
      return echo(accepted);
    });
    const socket = connect(path);
    clients.push(socket);
    socket.write('x');
    await once(socket, 'data');
    const [uid, gid] = [process.getuid?.(), process.getgid?.()];
    expect(connection?.info()).toMatchObject({
      transport: 'unix',
      localAddress: path,
      localPort: 0,
      remoteAddress: '',
      tcp: undefined,
      peer: { pid: process.pid, uid, gid },
    });
    rmSync(folder, { recursive: true });
  });
});
