// `sluice/epoll` on real descriptors: what is told, what is not told any more, and who keeps the
// process alive.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import * as epoll from '../../lib/epoll.ts';

const { EPOLLET, EPOLLHUP, EPOLLIN, EPOLLONESHOT, EPOLLOUT, EPOLLRDHUP, Poller } = epoll;
const DIST = new URL('../../dist/epoll.js', import.meta.url).href;

let folder = '';
let poller: epoll.Poller;
const descriptors: number[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-poller-'));
  poller = new Poller();
});
afterEach(() => {
  poller.close();
  for (const fd of descriptors.splice(0)) {
    try {
      closeSync(fd);
    } catch (error) {
      // A test has closed it.
      expect((error as NodeJS.ErrnoException).code).toBe('EBADF');
    }
  }
  rmSync(folder, { recursive: true });
});

/** A FIFO that is open in both directions: written here, readable there. */
function fifo(): number {
  const path = join(folder, `f${descriptors.length}`);
  execFileSync('mkfifo', [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  descriptors.push(fd);
  return fd;
}

/** Two turns of the loop: everything that is ready has been told by then. */
async function turns(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe('what is told', () => {
  test('level-triggered until it is read', async () => {
    const fd = fifo();
    let calls = 0;
    const told = new Promise<number>((resolve) => {
      poller.add(fd, EPOLLIN, (events) => {
        if (++calls < 3) return;
        readSync(fd, Buffer.alloc(10));
        resolve(events);
      });
    });
    await turns();
    expect(calls).toBe(0);
    writeSync(fd, 'x');
    expect(await told).toBe(EPOLLIN);
    await turns();
    expect(calls).toBe(3);
  });

  test('once per edge with EPOLLET, once with EPOLLONESHOT until it is armed again', async () => {
    const [edge, once_] = [fifo(), fifo()];
    const log: string[] = [];
    poller.add(edge, EPOLLIN | EPOLLET, () => log.push('edge'));
    poller.add(once_, EPOLLIN | EPOLLONESHOT, () => log.push('once'));
    for (const fd of [edge, once_, edge, once_]) {
      writeSync(fd, 'x');
      await turns();
    }
    expect(log).toEqual(['edge', 'once', 'edge']);
    poller.modify(once_, EPOLLIN | EPOLLONESHOT);
    await turns();
    expect(log).toEqual(['edge', 'once', 'edge', 'once']);
  });

  test('other events after modify', async () => {
    const fd = fifo();
    const log: number[] = [];
    poller.add(fd, 0, (events) => {
      log.push(events);
      poller.modify(fd, 0);
    });
    writeSync(fd, 'x');
    await turns();
    expect(log).toEqual([]);
    poller.modify(fd, EPOLLOUT);
    await turns();
    poller.modify(fd, EPOLLIN);
    await turns();
    expect(log).toEqual([EPOLLOUT, EPOLLIN]);
  });

  test('a socket whose peer has gone', async () => {
    const server: Server = createServer((peer) => peer.destroy());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address() as { port: number };
    const socket = connect(address.port, '127.0.0.1');
    socket.pause();
    await once(socket, 'connect');
    const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
    const events = await new Promise<number>((resolve) => {
      const second = new Poller();
      second.add(fd, EPOLLRDHUP, (seen) => {
        second.close();
        resolve(seen);
      });
    });
    expect(events & EPOLLRDHUP).toBe(EPOLLRDHUP);
    socket.destroy();
    server.close();
  });

  test('the end of a pipe, asked for or not', async () => {
    const child = spawn('sleep', ['30'], { stdio: ['pipe', 'pipe', 'ignore'] });
    const { fd } = (child.stdin as unknown as { _handle: { fd: number } })._handle;
    const events = new Promise<number>((resolve) => {
      poller.add(fd, 0, (seen) => {
        poller.remove(fd);
        resolve(seen);
      });
    });
    child.kill('SIGKILL');
    expect((await events) & EPOLLHUP).toBe(EPOLLHUP);
  });

  test('more descriptors at once than one wake-up takes', async () => {
    const path = join(folder, 'many');
    execFileSync('mkfifo', [path]);
    const many: number[] = [];
    for (let i = 0; i < 600; i++) {
      many.push(openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
    }
    descriptors.push(...many);
    const told = new Set<number>();
    for (const fd of many) {
      poller.add(fd, EPOLLIN, () => {
        told.add(fd);
        poller.remove(fd);
      });
    }
    writeSync(many[0] as number, 'x');
    while (told.size < 600) await turns();
    expect(poller.size).toBe(0);
  });
});

describe('what is not told any more', () => {
  test('what a callback of the same batch has removed', async () => {
    const [first, second] = [fifo(), fifo()];
    const log: string[] = [];
    const remove = (name: string, other: number) => (): void => {
      log.push(name);
      poller.remove(other);
    };
    poller.add(first, EPOLLIN, remove('first', second));
    poller.add(second, EPOLLIN, remove('second', first));
    writeSync(first, 'x');
    writeSync(second, 'x');
    await turns();
    expect(new Set(log).size).toBe(1);
    expect(poller.size).toBe(1);
  });

  test('the former owner of a number that was closed and opened again', async () => {
    const fd = fifo();
    const log: string[] = [];
    poller.add(fd, EPOLLIN, () => log.push('former'));
    closeSync(fd);
    const again = fifo();
    expect(again).toBe(fd);
    poller.add(again, EPOLLIN, () => {
      log.push('new');
      poller.remove(again);
    });
    writeSync(again, 'x');
    await turns();
    expect(log).toEqual(['new']);
  });

  test('anything after close, from inside a callback, too', async () => {
    const fds = [fifo(), fifo(), fifo()];
    let calls = 0;
    for (const fd of fds) {
      poller.add(fd, EPOLLIN, () => {
        calls++;
        poller.close();
      });
    }
    for (const fd of fds) writeSync(fd, 'x');
    await turns();
    expect(calls).toBe(1);
    expect(() => poller.add(0, EPOLLIN, () => undefined)).toThrow(/closed/);
    expect(poller.remove(fds[0] as number)).toBe(false);
  });
});

describe('faults', () => {
  test('a callback that throws costs nobody else', async () => {
    const [first, second] = [fifo(), fifo()];
    const caught: unknown[] = [];
    const log: string[] = [];
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => caught.push(error));
    for (const fd of [first, second]) {
      poller.add(fd, EPOLLIN | EPOLLET, () => {
        log.push('called');
        throw null;
      });
      writeSync(fd, 'x');
    }
    await turns();
    await turns();
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
    expect(log).toEqual(['called', 'called']);
    expect(caught).toEqual([null, null]);
  });

  test('are explained by their code', () => {
    const fd = fifo();
    poller.add(fd, EPOLLIN, () => undefined);
    const file = openSync(join(folder, 'plain'), 'w');
    descriptors.push(file);
    const ignore = (): void => undefined;
    const cases: [() => void, string, RegExp][] = [
      [() => poller.add(file, EPOLLIN, ignore), 'ERR_DESCRIPTOR', /always ready/],
      [() => poller.add(99_999, EPOLLIN, ignore), 'ERR_DESCRIPTOR', /not open/],
      [() => poller.add(fd, EPOLLIN, ignore), 'ERR_DESCRIPTOR', /already/],
      [() => poller.modify(99_999, EPOLLIN), 'ERR_DESCRIPTOR', /not in the poller/],
      [() => poller.add(-1, EPOLLIN, ignore), 'ERR_ARG_RANGE', /descriptor/],
      [() => poller.add(fd, 0.5, ignore), 'ERR_ARG_RANGE', /bits/],
      [() => poller.add(fd, 2 ** 32, ignore), 'ERR_ARG_RANGE', /bits/],
      [() => poller.add(fd, EPOLLIN, undefined as never), 'ERR_ARG_TYPE', /function/],
    ];
    for (const [call, code, message] of cases) {
      expect(call).toThrow(expect.objectContaining({ code }));
      expect(call).toThrow(message);
    }
    expect(poller.size).toBe(1);
  });

  test('of an exclusive descriptor that is modified: the kernel refuses', () => {
    const fd = fifo();
    poller.add(fd, EPOLLIN | epoll.EPOLLEXCLUSIVE, () => undefined);
    expect(() => poller.modify(fd, EPOLLIN)).toThrow(
      expect.objectContaining({ code: 'ERR_SYSTEM', errno: -22 }),
    );
  });
});

describe('the process', () => {
  const run = async (body: string): Promise<[number | null, string]> => {
    const script = `import { Poller, EPOLLIN } from ${JSON.stringify(DIST)};\n${body}`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += String(chunk);
      });
    }
    // Long after everything that would end it by itself has had its turn.
    child.stdout.once('data', () => setTimeout(() => child.kill('SIGUSR2'), 300));
    const [code] = (await once(child, 'exit')) as [number | null];
    return [code, output];
  };

  test('lives while descriptors are watched', async () => {
    const body = `new Poller().add(0, EPOLLIN, () => {});
      process.on('SIGUSR2', () => process.exit(42));
      console.log('up');`;
    expect(await run(body)).toEqual([42, 'up\n']);
  });

  const endings = {
    'without descriptors': 'new Poller();',
    'after remove': 'const p = new Poller(); p.add(0, EPOLLIN, () => {}); p.remove(0);',
    'after unref': 'new Poller().unref().add(0, EPOLLIN, () => {});',
    'after close': 'const p = new Poller(); p.add(0, EPOLLIN, () => {}); p.close(); p.close();',
  };
  test.each(Object.entries(endings))('ends %s', async (_name, body) => {
    expect(await run(body)).toEqual([0, '']);
  });

  test('survives worker threads that end in the middle of a batch', async () => {
    const worker = `
      import { openSync, constants, writeSync } from 'node:fs';
      import { parentPort, workerData } from 'node:worker_threads';
      import { Poller, EPOLLIN } from ${JSON.stringify(DIST)};
      const fd = openSync(workerData, constants.O_RDWR);
      writeSync(fd, 'x');
      new Poller().add(fd, EPOLLIN, () => {
        parentPort.postMessage('told');
        for (;;);
      });`;
    const path = join(folder, 'w');
    execFileSync('mkfifo', [path]);
    const body = `import { Worker } from 'node:worker_threads';
      import { once } from 'node:events';
      process.on('SIGUSR2', () => undefined);
      for (let i = 0; i < 3; i++) {
        const options = { eval: true, workerData: ${JSON.stringify(path)} };
        const worker = new Worker(${JSON.stringify(worker)}, options);
        const [message] = await once(worker, 'message');
        await worker.terminate();
        console.log(message);
      }`;
    expect(await run(body)).toEqual([0, 'told\ntold\ntold\n']);
  });
});

test('the exports are these', () => {
  expect(Object.keys(epoll).sort()).toEqual([
    'EPOLLERR',
    'EPOLLET',
    'EPOLLEXCLUSIVE',
    'EPOLLHUP',
    'EPOLLIN',
    'EPOLLONESHOT',
    'EPOLLOUT',
    'EPOLLPRI',
    'EPOLLRDHUP',
    'Poller',
    'SluiceError',
    'isSluiceError',
  ]);
});
