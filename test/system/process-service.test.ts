// A supervisor under a service manager: sd_notify, watchdog, sockets that were opened for it; and as another user.

import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadNative } from '../../lib/native/load.ts';
import { Datagrams } from '../support/datagrams.ts';
import { blocksOf } from '../support/document-blocks.ts';
import { PROGRAM, request, SteadyLoad, SupervisorProcess } from '../support/supervisor-process.ts';
import { until } from '../support/until.ts';

let folder = '';
let datagrams: Datagrams | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-service-test-'));
});
afterEach(async () => {
  await SupervisorProcess.killAll();
  await datagrams?.close();
  datagrams = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const OPTIONS = { drainWindowMs: 0, worker: { log: true } };

describe('a service manager', () => {
  test.each(['path', 'abstract name'])(
    'hears by its %s of start, reload, upgrade and stop',
    async (kind) => {
      const name = kind === 'path' ? join(folder, 'notify') : `@${folder}`;
      datagrams = await Datagrams.open(name);
      const env = { NOTIFY_SOCKET: name };
      const supervisor = await SupervisorProcess.start({ workers: 1, options: OPTIONS, env });
      const { pid } = supervisor.child;
      await datagrams.says(new RegExp(`^READY=1\nMAINPID=${pid}\n$`));
      await datagrams.says(/^STATUS=1 of 1 workers serve\n$/);
      expect(await supervisor.get('/variables')).toBe('[]');
      supervisor.signal('SIGHUP');
      await datagrams.says(/^READY=1/, 2);
      expect(datagrams.count(/^RELOADING=1\nMONOTONIC_USEC=[0-9]+\n$/)).toBe(1);
      supervisor.signal('SIGUSR2');
      await supervisor.says('all-ready', 2);
      await datagrams.says(new RegExp(`^READY=1\nMAINPID=${pid}\n$`), 3);
      const order = datagrams.texts.map((text) => text.split(/[=\n]/)[0]);
      expect(order.filter((word) => word !== 'STATUS')).toEqual([
        'READY',
        ...['RELOADING', 'READY'],
        // Said before the exec, and again by the new version, which replaces the workers.
        ...['RELOADING', 'RELOADING', 'READY'],
      ]);
      supervisor.signal('SIGTERM');
      await datagrams.says(/^STOPPING=1\n$/);
      expect(await supervisor.exitCode()).toBe(0);
    },
  );

  test('that does not listen is noted, and harms nothing', async () => {
    const env = { NOTIFY_SOCKET: join(folder, 'none') };
    const supervisor = await SupervisorProcess.start({ options: OPTIONS, env });
    expect(await supervisor.logs('sd_notify')).toMatchObject({ level: 'warn', error: 'ENOENT' });
    expect(await supervisor.get()).not.toBe('');
  });

  test('gets signs of life while somebody serves, and only then', async () => {
    const name = join(folder, 'notify');
    const crashWhile = join(folder, 'crash');
    datagrams = await Datagrams.open(name);
    const env = { NOTIFY_SOCKET: name, WATCHDOG_USEC: '40000' };
    const options = { worker: { crashWhile } };
    const supervisor = await SupervisorProcess.start({ workers: 1, options, env });
    await datagrams.says(/^WATCHDOG=1\n$/, 3);
    writeFileSync(crashWhile, '');
    process.kill(supervisor.serving[0] as number, 'SIGKILL');
    await supervisor.says('died', 1);
    const meanwhile = await datagrams.during(() => supervisor.says('died', 3));
    expect(meanwhile.filter((text) => text.startsWith('WATCHDOG'))).toEqual([]);
    rmSync(crashWhile);
    await supervisor.says('ready', 2);
    const since = datagrams.count(/^WATCHDOG/);
    await datagrams.says(/^WATCHDOG=1\n$/, since + 2);
  });
});

/** Runs what follows with the descriptors from 3 on, as sd_listen_fds(3) has it. */
const HANDED = ['sh', '-c', 'LISTEN_PID=$$ exec "$0" "$@"'];

describe('sockets of a service manager', () => {
  test('take the place of opening, for all workers, through reload and upgrade', async () => {
    const native = loadNative();
    const path = join(folder, 'socket');
    const descriptors = [
      native.openListener('127.0.0.1', 0, 64),
      native.openPathListener(Buffer.from(path), 0o600, 64),
    ];
    const port = native.descriptorPort(descriptors[0] as number);
    const supervisor = await SupervisorProcess.start({
      options: { drainWindowMs: 200, listen: [{ path }, { host: '127.0.0.1', port }] },
      env: { LISTEN_FDS: '2', LISTEN_FDNAMES: 'web:local' },
      wrapper: HANDED,
      descriptors,
    });
    for (const fd of descriptors) closeSync(fd);
    expect((await supervisor.says('ports'))['ports']).toEqual([0, port]);
    const load = new SteadyLoad(port);
    expect(await request(port, '/variables')).toBe('[]');
    supervisor.signal('SIGHUP');
    await supervisor.says('left', 2);
    supervisor.signal('SIGUSR2');
    await supervisor.says('left', 4);
    await load.stop();
    expect(load.failures).toEqual([]);
    process.kill(supervisor.serving[0] as number, 'SIGKILL');
    await supervisor.says('died');
    expect(await request(port)).not.toBe('');
    await supervisor.says('ready', 7);
    await new Promise((resolve, reject) => {
      connect(path).once('connect', resolve).once('error', reject).end();
    });
    supervisor.signal('SIGTERM');
    expect(await supervisor.exitCode()).toBe(0);
    // Not ours to remove.
    expect(existsSync(path)).toBe(true);
  }, 30_000);

  test('that no address asks for are an error that names them', async () => {
    const native = loadNative();
    const descriptors = [native.openListener('127.0.0.1', 0, 64)];
    const port = native.descriptorPort(descriptors[0] as number);
    const env = { LISTEN_FDS: '1', LISTEN_FDNAMES: 'web' };
    const supervisor = new SupervisorProcess({ env, wrapper: HANDED, descriptors });
    for (const fd of descriptors) closeSync(fd);
    expect(await supervisor.exitCode()).toBe(1);
    expect(supervisor.stderr).toContain(`does not ask for: 127.0.0.1:${port} (web).`);
  });

  test('that do not listen are an error, and those of another process are not looked at', async () => {
    const env = { LISTEN_FDS: '1' };
    const refused = new SupervisorProcess({ env, wrapper: HANDED });
    expect(await refused.exitCode()).toBe(1);
    expect(refused.stderr).toContain('ERR_DESCRIPTOR');
    const other = await SupervisorProcess.start({ env: { ...env, LISTEN_PID: '1' } });
    expect(await other.get('/variables')).toBe('[]');
  });

  test('systemd-socket-activate starts it with the first connection', async () => {
    const path = join(folder, 'socket');
    const options = JSON.stringify({ workers: 2, listen: [{ path }], drainWindowMs: 0 });
    const args = ['--listen', path, process.execPath, PROGRAM, options];
    const child = spawn('systemd-socket-activate', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    await until('its socket', () => existsSync(path), 10_000);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(path, () => {
        socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      });
      let text = '';
      socket.on('data', (chunk) => {
        text += String(chunk);
      });
      socket.on('error', reject).on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 200/);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  }, 30_000);
});

const isRoot = process.getuid?.() === 0;

describe('another user', () => {
  const idsOf = (pid: number, name: string): string[] =>
    new RegExp(`^${name}:\\s*(.*)$`, 'm')
      .exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
      ?.trim()
      .split(/\s+/) ?? [];

  test.runIf(isRoot)(
    'is who supervisor and workers are once all is open, also upgraded',
    async () => {
      chmodSync(folder, 0o711);
      const pidFile = join(folder, 'pid');
      const path = join(folder, 'socket');
      const user = { user: 'nobody', group: 'nogroup', pidFile };
      const listen = [{ host: '127.0.0.1', port: 0 }, { path }];
      const options = { ...OPTIONS, ...user, listen };
      const supervisor = await SupervisorProcess.start({ options });
      const { uid, gid } = statSync(path);
      const check = (): void => {
        for (const pid of [supervisor.child.pid as number, ...supervisor.serving]) {
          expect(idsOf(pid, 'Uid')).toEqual(Array(4).fill(String(uid)));
          expect(idsOf(pid, 'Gid')).toEqual(Array(4).fill(String(gid)));
          expect(idsOf(pid, 'Groups')).toEqual([String(gid)]);
        }
      };
      expect(uid).toBeGreaterThan(0);
      check();
      expect(await supervisor.get()).not.toBe('');
      supervisor.signal('SIGUSR2');
      await supervisor.says('left', 2);
      check();
      expect(await supervisor.get()).not.toBe('');
      supervisor.signal('SIGTERM');
      expect(await supervisor.exitCode()).toBe(0);
      // The folder is root's: the files stay, and the next start takes them.
      expect(readFileSync(pidFile, 'utf8')).toBe('');
      const next = await SupervisorProcess.start({ options });
      expect(await next.get()).not.toBe('');
    },
    30_000,
  );

  test.runIf(isRoot)('that is not there, or not for us, is refused', async () => {
    const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    for (const [options, wrapper, text] of [
      [{ user: 'nobody-of-that-name' }, [], 'There is no user nobody-of-that-name.'],
      [{ user: 'nobody', group: 'no-such-group' }, [], 'There is no group no-such-group.'],
      [{ user: 54_321 }, [], 'User 54321 has no group'],
      [{ user: 'root' }, asNobody, 'Only root may become user root.'],
    ] as const) {
      const supervisor = new SupervisorProcess({ options, wrapper });
      expect(await supervisor.exitCode()).toBe(1);
      expect(supervisor.stderr).toContain(text);
    }
    const same = await SupervisorProcess.start({ options: { user: 65_534 }, wrapper: asNobody });
    expect(await same.get()).not.toBe('');
  });
});

test('the unit of docs/operations.md is one that systemd understands', () => {
  const file = fileURLToPath(new URL('../../docs/operations.md', import.meta.url));
  const blocks = blocksOf(readFileSync(file, 'utf8'), ['ini']);
  const names = ['sluice.service', 'sluice.socket'];
  const units = names.map((name) => {
    const kind = name === 'sluice.socket' ? '[Socket]' : '[Service]';
    const unit = blocks.find(({ code }) => code.includes(kind));
    const path = join(folder, name);
    writeFileSync(path, unit?.code ?? '');
    return path;
  });
  const { stderr, status } = spawnSync('systemd-analyze', ['verify', '--man=no', ...units], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
});
