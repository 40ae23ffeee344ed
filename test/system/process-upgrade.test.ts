// A supervisor lets its next version take its place by execve: the same process, with the same workers, sockets and
// pid file. Versions are programs that are written over one another. They use dist/.

import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import {
  PROGRAM,
  SteadyLoad,
  SupervisorProcess,
  type SupervisorProcessOptions,
} from '../support/supervisor-process.ts';
import { until } from '../support/until.ts';

let folder = '';
let program = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-upgrade-test-'));
  program = join(folder, 'program.mjs');
});
afterEach(async () => {
  await SupervisorProcess.killAll();
  rmSync(folder, { recursive: true, force: true });
});

/** @param before what it does first */
function writeVersion(version: string, before = ''): void {
  const code = `${before}
process.env.TEST_VERSION = ${JSON.stringify(version)};
await import(${JSON.stringify(pathToFileURL(PROGRAM).href)});\n`;
  writeFileSync(program, code);
}

function start({
  options = {},
  ...rest
}: SupervisorProcessOptions = {}): Promise<SupervisorProcess> {
  writeVersion('one');
  const worker = { log: true, ...(options['worker'] as object | undefined) };
  return SupervisorProcess.start({
    program,
    ...rest,
    options: { drainWindowMs: 200, ...options, worker },
  });
}

describe('an upgrade', () => {
  test('keeps process, sockets and pid file, and loses no request', async () => {
    const pidFile = join(folder, 'pid');
    const path = join(folder, 'socket');
    const listen = [{ host: '127.0.0.1', port: 0 }, { path }];
    const supervisor = await start({ options: { pidFile, listen } });
    const before = supervisor.serving;
    const load = new SteadyLoad(supervisor.port);
    const socket = new WebSocket(`ws://127.0.0.1:${supervisor.port}/ws`);
    await new Promise((resolve) => socket.once('message', resolve));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const { port } = supervisor;
    writeVersion('two');
    supervisor.signal('SIGUSR2');
    expect(await closed).toBe(1012);
    await supervisor.says('left', 2);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(load.answered).toBeGreaterThan(20);
    // Nobody waits for a start.
    expect(load.slowestMs).toBeLessThan(2_000);
    expect(supervisor.port).toBe(port);
    expect(await supervisor.get('/version')).toBe('two');
    expect(supervisor.serving.every((pid) => !before.includes(pid))).toBe(true);
    expect(supervisor.child.exitCode).toBeNull();
    expect(readFileSync(pidFile, 'utf8').trim()).toBe(String(supervisor.child.pid));
    const second = new SupervisorProcess({ program, options: { pidFile } });
    expect(await second.exitCode()).toBe(1);
    expect(second.stderr).toContain('ERR_RUNNING');
    supervisor.signal('SIGTERM');
    expect(await supervisor.exitCode()).toBe(0);
    expect([pidFile, path].filter(existsSync)).toEqual([]);
  }, 30_000);

  test('goes on with the workers before while the new ones do not live; one that dies is replaced', async () => {
    const flag = join(folder, 'crash');
    const supervisor = await start({ workers: 1, options: { worker: { crashWhile: flag } } });
    const [before] = supervisor.serving;
    writeFileSync(flag, '');
    writeVersion('two');
    supervisor.signal('SIGUSR2');
    await supervisor.logs('reload failed');
    expect(await supervisor.get()).toBe(String(before));
    expect(await supervisor.get('/version')).toBe('one');
    rmSync(flag);
    process.kill(before as number, 'SIGKILL');
    await until(
      'its death',
      () =>
        supervisor.lines.some(
          ({ kind, pid, signal }) => kind === 'died' && pid === before && signal === 'SIGKILL',
        ),
      5_000,
    );
    await supervisor.says('ready', 2);
    expect(await supervisor.get('/version')).toBe('two');
  }, 30_000);

  test('once more, with more workers and with fewer', async () => {
    const supervisor = await start({ workers: 2 });
    const load = new SteadyLoad(supervisor.port);
    let ready = 2;
    let left = 0;
    for (const [workers, leaving] of [
      [3, 2],
      [1, 3],
      [2, 1],
    ] as const) {
      const count = `const all = JSON.parse(process.argv[2]);
all.workers = ${workers};
process.argv[2] = JSON.stringify(all);`;
      writeVersion(`with ${workers}`, count);
      supervisor.signal('SIGUSR2');
      ready += workers;
      left += leaving;
      await supervisor.says('ready', ready);
      await supervisor.says('left', left);
      expect(await supervisor.get('/version')).toBe(`with ${workers}`);
    }
    await load.stop();
    expect(load.failures).toEqual([]);
    supervisor.signal('SIGTERM');
    expect(await supervisor.exitCode()).toBe(0);
  }, 45_000);
});

describe('an upgrade is refused', () => {
  test('when node cannot read the new version', async () => {
    const supervisor = await start();
    writeFileSync(program, 'const = ;');
    supervisor.signal('SIGUSR2');
    const { error } = await supervisor.logs('upgrade failed');
    expect(error).toContain('SyntaxError');
    expect(await supervisor.get('/version')).toBe('one');
    expect(supervisor.count('all-ready')).toBe(1);
  });

  test('when its own check fails, and says what that printed', async () => {
    const supervisor = await start({ options: { check: { args: ['check'] } } });
    const refuse = `console.error('page has no token'); process.exit(1);`;
    writeVersion('two', `if (process.argv[2] === 'check') { ${refuse} }`);
    supervisor.signal('SIGUSR2');
    const { error } = await supervisor.logs('upgrade failed');
    expect(error).toContain('exited with 1: page has no token');
    writeVersion('three', `if (process.argv[2] === 'check') process.exit(0);`);
    supervisor.signal('SIGUSR2');
    await supervisor.says('left', 2);
    expect(await supervisor.get('/version')).toBe('three');
  });

  test('when node itself is gone', async () => {
    const node = join(folder, 'node');
    copyFileSync(process.execPath, node);
    const supervisor = await start({ node, options: { check: { args: ['check'] } } });
    const remove = `(await import('node:fs')).rmSync(process.execPath); process.exit(0);`;
    writeVersion('two', `if (process.argv[2] === 'check') { ${remove} }`);
    supervisor.signal('SIGUSR2');
    const { error } = await supervisor.logs('upgrade failed');
    expect(error).toContain(`execve ENOENT ${node}`);
    expect(await supervisor.get('/version')).toBe('one');
    supervisor.signal('SIGTERM');
    expect(await supervisor.exitCode()).toBe(0);
  });
});

const UNSHARE = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
const mayUnshare = spawnSync(UNSHARE[0] as string, [...UNSHARE.slice(1), 'true']).status === 0;

test.runIf(mayUnshare)('process 1 of a container is upgraded, too', async () => {
  const supervisor = await start({ workers: 1, wrapper: UNSHARE });
  const { pid } = supervisor.child;
  const [first] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').map(Number);
  writeVersion('two');
  process.kill(first as number, 'SIGUSR2');
  await supervisor.says('left', 1);
  expect(await supervisor.get('/version')).toBe('two');
  process.kill(first as number, 'SIGTERM');
  expect(await supervisor.exitCode()).toBe(0);
});
