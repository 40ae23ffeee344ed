// What the program before leaves to the one that takes its place, and what that makes of it: sockets for other places
// than before, the record of who is meant, and the answer when the program cannot be started.

import { closeSync, existsSync, fstatSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLog } from '../../../lib/base/log.ts';
import { ERROR_NAMES } from '../../../lib/native/error-names.ts';
import { loadNative } from '../../../lib/native/load.ts';
import { keptAddressOf, ListeningSockets } from '../../../lib/process/listening-sockets.ts';
import { PidFile } from '../../../lib/process/pid-file.ts';
import { ServiceManager, takeHandedSockets } from '../../../lib/process/service-manager.ts';
import {
  replaceThisProgram,
  SUCCESSION_VARIABLE,
  takeSuccession,
} from '../../../lib/process/succession.ts';
import { InheritedChildren } from '../../../lib/process/worker-child.ts';

let folder = '';
const open: ListeningSockets[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-succession-'));
});
afterEach(() => {
  for (const sockets of open.splice(0)) sockets.close();
  rmSync(folder, { recursive: true, force: true });
});

const LOCAL = { host: '127.0.0.1', port: 0 };

async function openSockets(
  ...parameters: Parameters<typeof ListeningSockets.open>
): Promise<ListeningSockets> {
  const sockets = await ListeningSockets.open(...parameters);
  open.push(sockets);
  return sockets;
}

const isOpen = (fd: number): boolean => {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
};

describe('sockets that are open already', () => {
  test('stay those of their places; a new place gets one of its own on the same port', async () => {
    const [before] = (await ListeningSockets.open([LOCAL], 2)).kept;
    if (before === undefined) throw new Error('no address');
    const sockets = await openSockets([LOCAL], 3, [before]);
    const [after] = sockets.addresses;
    expect(after).toMatchObject({ port: before.port, slots: [0, 1, 2] });
    expect(after?.fds.slice(0, 2)).toEqual(before.fds);
    expect(new Set(after?.fds).size).toBe(3);
    expect(loadNative().descriptorPort(after?.fds[2] as number)).toBe(before.port);
  });

  test('of places that are no more stay, so that siblings empty them', async () => {
    const [before] = (await ListeningSockets.open([LOCAL], 3)).kept;
    const sockets = await openSockets([LOCAL], 1, before === undefined ? [] : [before]);
    expect(sockets.addresses).toMatchObject([{ slots: [0, 1, 2], fds: before?.fds }]);
  });

  test('that no address asks for are closed, as those of a place that serves another one', async () => {
    const [one, other] = (await ListeningSockets.open([LOCAL, { path: join(folder, 'socket') }], 2))
      .kept;
    if (one === undefined || other === undefined) throw new Error('no address');
    const sockets = await openSockets([{ ...LOCAL, slots: [0] }], 2, [one, other]);
    expect(sockets.addresses).toMatchObject([{ slots: [0], fds: [one.fds[0]] }]);
    expect([one.fds[1], other.fds[0]].map((fd) => isOpen(fd as number))).toEqual([false, false]);
  });

  test('two of port 0 are told apart by their order', async () => {
    const before = (await ListeningSockets.open([LOCAL, LOCAL], 1)).kept;
    const sockets = await openSockets([LOCAL, LOCAL], 1, before);
    expect(sockets.addresses.map(({ port }) => port)).toEqual(before.map(({ port }) => port));
  });

  test.each([
    ['[::] for 0.0.0.0', '::', '0.0.0.0'],
    ['the same host', '127.0.0.1', '127.0.0.1'],
  ])('of a service manager are one for all places: %s', async (_name, host, asked) => {
    const fd = loadNative().openListener(host, 0, 8);
    const port = loadNative().descriptorPort(fd);
    const kept = keptAddressOf({ fd, name: '', host, port });
    const sockets = await openSockets([{ host: asked, port }], 3, [kept]);
    expect(sockets.addresses).toMatchObject([{ port, slots: [0, 1, 2], fds: [fd, fd, fd] }]);
    expect(sockets.descriptors).toEqual([fd]);
  });

  test('are taken from LISTEN_FDS once, and of nobody else', () => {
    const other = { LISTEN_FDS: '1', LISTEN_PID: '1', LISTEN_FDNAMES: 'web' };
    expect(takeHandedSockets(other)).toEqual([]);
    expect(other).toEqual({});
    expect(takeHandedSockets({ LISTEN_FDS: 'x', LISTEN_PID: String(process.pid) })).toEqual([]);
  });
});

describe('what is left', () => {
  const SUCCESSION = { folder: '', nextSerial: 7, addresses: [], workers: [] };

  test('is taken once, and only by the process that it was left to', () => {
    const path = join(folder, 'succession');
    const env = { [SUCCESSION_VARIABLE]: path };
    writeFileSync(path, JSON.stringify({ ...SUCCESSION, pid: process.pid + 1 }));
    expect(takeSuccession({ ...env })).toBeUndefined();
    expect(existsSync(path)).toBe(true);
    writeFileSync(path, JSON.stringify({ ...SUCCESSION, pid: process.pid }));
    const ours = { ...env };
    expect(takeSuccession(ours)).toMatchObject({ nextSerial: 7 });
    expect([ours, existsSync(path)]).toEqual([{}, false]);
    expect(takeSuccession(ours)).toBeUndefined();
  });

  test('is taken back when the program cannot be started', () => {
    const { execPath } = process;
    process.execPath = join(folder, 'none');
    try {
      const error = replaceThisProgram({ ...SUCCESSION, folder, pid: process.pid }, {});
      expect(error).toBe(ERROR_NAMES.ENOENT);
    } finally {
      process.execPath = execPath;
    }
    expect(existsSync(join(folder, 'succession'))).toBe(false);
  });

  test('holds the lock of the pid file; another file is another lock', () => {
    const path = join(folder, 'pid');
    const before = new PidFile(path);
    const after = new PidFile(path, before.held);
    expect(after.held).toEqual(before.held);
    expect(() => new PidFile(path)).toThrow(expect.objectContaining({ code: 'ERR_RUNNING' }));
    const other = new PidFile(join(folder, 'other'), before.held);
    expect(other.held.fd).not.toBe(before.held.fd);
    other.release();
    after.release();
    expect(existsSync(path)).toBe(false);
  });
});

test('a worker that is no process has ended, and nothing is killed for it', async () => {
  const child = new InheritedChildren().watch(0);
  child.kill('SIGKILL');
  expect(await child.ended).toEqual({ code: null, signal: 'pidfd_open EINVAL' });
});

describe('a service manager', () => {
  test('that is not there is told nothing', () => {
    const env = { WATCHDOG_USEC: '1000' };
    const manager = new ServiceManager(env, silentLog);
    expect(env).toEqual({});
    manager.ready();
    manager.startWatchdog(() => {
      throw new Error('nobody asks');
    });
    manager.close();
  });
});

test('descriptors of a failed opening are closed', async () => {
  const fd = loadNative().openListener('127.0.0.1', 0, 8);
  const taken = { host: '127.0.0.1', port: loadNative().descriptorPort(fd) };
  await expect(ListeningSockets.open([LOCAL, taken], 1)).rejects.toMatchObject({
    code: 'ERR_SYSTEM',
  });
  closeSync(fd);
});
