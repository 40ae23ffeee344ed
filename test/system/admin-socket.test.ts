// Operators and a running gateway: the commands, and the Unix socket that they speak to.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { askAdmin } from '../../lib/process/admin-client.ts';
import type { ProcessStatus } from '../../lib/process/admin-socket.ts';
import { openAdminSocket } from '../../lib/process/admin-socket.ts';
import { GatewayProcess, PAGE } from '../support/gateway-process.ts';
import { temporaryDirectory } from '../support/journal-rig.ts';
import { joinLightly, type LightAgent } from '../support/light-agents.ts';
import { until } from '../support/until.ts';

const BIN = join(import.meta.dirname, '../../bin/sluice.mjs');
const run = promisify(execFile);

const ends: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function start(workers: number): Promise<GatewayProcess> {
  const gateway = await GatewayProcess.create({ config: { workers } });
  ends.push(async () => {
    await gateway.kill('SIGTERM');
    await gateway.dispose();
  });
  await gateway.start();
  return gateway;
}

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function sluice(gateway: GatewayProcess, ...args: string[]): Promise<Result> {
  return run(process.execPath, [BIN, ...args, '-c', gateway.configFile]).then(
    (out) => ({ code: 0, ...out }),
    (error: Result) => error,
  );
}

const socketOf = (gateway: GatewayProcess): string => join(gateway.data, 'admin.sock');

async function processesOf(gateway: GatewayProcess): Promise<ProcessStatus[]> {
  const { body } = await askAdmin(socketOf(gateway), 'GET', '/status');
  return (body as { processes: ProcessStatus[] }).processes;
}

async function agents(gateway: GatewayProcess, count: number): Promise<LightAgent[]> {
  const all: LightAgent[] = [];
  ends.push(() => {
    for (const agent of all) agent.socket.terminate();
  });
  for (let n = 0; n < count; n++) all.push(await joinLightly(gateway, `agent-${n}`));
  return all;
}

describe('several processes', () => {
  test('status has a row of each, also while one is dead', async () => {
    const gateway = await start(2);
    const names = (await processesOf(gateway)).map(({ role, slot }) => `${role} ${slot}`);
    expect(names).toEqual(['supervisor -1', 'worker 0', 'worker 1', 'clerk 2']);
    const { stdout, code } = await sluice(gateway, 'status');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^worker 1 +\d+ +ready /m);
    expect(stdout).toMatch(/^total /m);
    process.kill(gateway.pidOf(2), 'SIGSTOP');
    const before = gateway.pidOf(0);
    process.kill(before, 'SIGKILL');
    await until('the dead one is missed', () => gateway.countOf('worker died') > 0, 10_000);
    const pids = (await processesOf(gateway)).map((each) => each.pid);
    expect(pids).not.toContain(before);
    expect(pids.length).toBeGreaterThanOrEqual(3);
    process.kill(gateway.pidOf(2), 'SIGCONT');
  });

  test('connections are those of all workers, and can be chosen', async () => {
    const gateway = await start(2);
    const all = await agents(gateway, 8);
    all[3]?.socket.send(JSON.stringify({ type: 'nothing', pad: 'x'.repeat(20_000) }));
    const list = async (...args: string[]) => {
      const { stdout } = await sluice(gateway, 'connections', '--json', ...args);
      return (JSON.parse(stdout) as { connections: Record<string, unknown>[] }).connections;
    };
    expect((await list()).map((row) => row['agent']).sort()).toEqual(
      all.map((_agent, n) => `agent-${n}`),
    );
    let top = await list('--top', 'bytes', '--limit', '1');
    while (top[0]?.['agent'] !== 'agent-3') top = await list('--top', 'bytes', '--limit', '1');
    expect(top).toHaveLength(1);
    expect(await list('--agent', 'agent-5')).toMatchObject([
      { agent: 'agent-5', page: PAGE, ip: '127.0.0.1' },
    ]);
    expect(await list('--page', '1')).toEqual([]);
    const bad = await sluice(gateway, 'connections', '--limit', '0');
    expect(bad).toMatchObject({ code: 1, stderr: expect.stringMatching(/1 to 1000/) });
    const { stdout } = await sluice(gateway, 'connections', '--agent', 'agent-2');
    expect(stdout).toMatch(/agent-2 .*127\.0\.0\.1/);
  });

  test('reload is done when it says so; a configuration with a fault changes nothing', async () => {
    const gateway = await start(2);
    const pids = async () => (await processesOf(gateway)).map((each) => each.pid);
    const before = await pids();
    expect(await sluice(gateway, 'reload')).toMatchObject({ code: 0, stdout: 'reloaded\n' });
    const after = (await processesOf(gateway)).filter((each) => each.state === 'ready');
    expect(after.map((each) => each.pid).filter((pid) => before.includes(pid))).toEqual([
      gateway.pid,
    ]);
    gateway.writeConfig({ workers: 2, deny: ['nonsense'] });
    const ready = after.map((each) => each.pid);
    const { body, status } = await askAdmin(socketOf(gateway), 'POST', '/reload');
    expect([status, String((body as { detail: string }).detail)]).toEqual([
      409,
      expect.stringMatching(/deny/),
    ]);
    const still = (await processesOf(gateway)).filter((each) => each.state === 'ready');
    expect(still.map((each) => each.pid)).toEqual(ready);
  });

  test('restart is done when every process is new, in the same first one', async () => {
    const gateway = await start(2);
    const before = await processesOf(gateway);
    expect(await sluice(gateway, 'restart')).toMatchObject({ code: 0, stdout: 'restarted\n' });
    const after = (await processesOf(gateway)).filter((each) => each.state === 'ready');
    expect(after.map((each) => each.role)).toEqual(before.map((each) => each.role));
    expect(after[0]?.pid).toBe(before[0]?.pid);
    const oldest = Math.min(...after.map((each) => each.startedAt));
    expect(oldest).toBeGreaterThan(Math.max(...before.map((each) => each.startedAt)));
    gateway.writeConfig({ workers: 3 });
    expect(await sluice(gateway, 'restart')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/2 run; another number takes a stop and a start/),
    });
  });

  test('stop ends all of it, and says so when it has', async () => {
    const gateway = await start(2);
    const pids = (await processesOf(gateway)).map((each) => each.pid);
    expect(await sluice(gateway, 'stop')).toMatchObject({ code: 0, stdout: 'stopped\n' });
    expect(pids.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
    expect(existsSync(socketOf(gateway))).toBe(false);
    expect(await sluice(gateway, 'status')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/Nothing runs here/),
    });
  });

  test('a daemon is there when the command ends, once', async () => {
    const gateway = await GatewayProcess.create({ config: { workers: 2 } });
    ends.push(() => gateway.dispose());
    const started = await sluice(gateway, 'start', '-d');
    expect(started).toMatchObject({ code: 0, stdout: expect.stringMatching(/process \d+; log: /) });
    const again = await sluice(gateway, 'start', '--daemon');
    expect(again).toMatchObject({ code: 1, stderr: expect.stringMatching(/runs already/) });
    expect(readFileSync(join(gateway.data, 'sluice.log'), 'utf8')).toContain('"msg":"listening"');
    expect(await sluice(gateway, 'stop', '--graceful')).toMatchObject({ code: 0 });
    expect(existsSync(join(gateway.data, 'sluice.pid'))).toBe(false);
  });
});

describe('one process', () => {
  // Bug: these commands wanted secrets that only the service's environment has.
  test('is asked without the secrets of its configuration', async () => {
    const gateway = await start(1);
    const { messenger } = JSON.parse(readFileSync(gateway.configFile, 'utf8')) as {
      messenger: object;
    };
    gateway.writeConfig({ messenger: { ...messenger, verifyToken: 'env:NOT_THERE' } });
    for (const command of ['status', 'connections', 'export', 'stop']) {
      expect(await sluice(gateway, command)).toMatchObject({ code: 0, stderr: '' });
    }
  });

  test('answers the same, as far as one can', async () => {
    const gateway = await start(1);
    await agents(gateway, 2);
    expect(await processesOf(gateway)).toMatchObject([{ role: 'gateway', state: 'ready' }]);
    const { stdout } = await sluice(gateway, 'connections', '--json');
    expect((JSON.parse(stdout) as { connections: unknown[] }).connections).toHaveLength(2);
    expect(await sluice(gateway, 'reload')).toMatchObject({ code: 0 });
    expect(gateway.countOf('certificates were read again')).toBe(1);
    gateway.signal('SIGUSR2');
    await until(
      'the answer to SIGUSR2',
      () => gateway.countOf('An upgrade in place') === 1,
      10_000,
    );
    expect(await sluice(gateway, 'restart')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/workers/),
    });
    expect(await sluice(gateway, 'stop')).toMatchObject({ code: 0 });
    expect(await gateway.exited()).toBe(0);
  });
});

describe('the socket', () => {
  test('that cannot be opened ends the start, and leaves nothing behind', async () => {
    const gateway = await GatewayProcess.create();
    ends.push(() => gateway.dispose());
    // A folder in its place.
    mkdirSync(join(socketOf(gateway), 'in-the-way'), { recursive: true });
    await expect(gateway.start()).rejects.toThrow(/ended with 1/);
    expect(existsSync(join(gateway.data, 'sluice.pid'))).toBe(false);
  });

  test('is its owner’s alone, and who says nonsense or reads nothing harms nobody', async () => {
    const gateway = await start(1);
    const path = socketOf(gateway);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const mute = connect(path);
    ends.push(() => void mute.destroy());
    await once(mute, 'connect');
    mute.pause();
    for (let n = 0; n < 200; n++) mute.write('GET /status HTTP/1.1\r\nHost: a\r\n\r\n');
    const nonsense = connect(path);
    nonsense.on('error', () => undefined).resume();
    nonsense.end('\0\0\0 nonsense\r\n\r\n');
    await once(nonsense, 'close');
    expect((await askAdmin(path, 'GET', '/nothing')).status).toBe(404);
    expect((await askAdmin(path, 'POST', '/status')).status).toBe(405);
    expect(await processesOf(gateway)).toHaveLength(1);
  });

  test('takes the place of one that was left behind, and not of one that is answered', async () => {
    const gateway = await start(1);
    await gateway.kill('SIGKILL');
    expect(existsSync(socketOf(gateway))).toBe(true);
    await gateway.start();
    expect(await processesOf(gateway)).toHaveLength(1);
    const source = {
      status: () => [],
      connections: async () => ({ connections: [], silent: [] }),
      reload: async () => undefined,
      restart: async () => undefined,
      stop: () => undefined,
    };
    await expect(openAdminSocket(socketOf(gateway), source)).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_RUNNING' }),
    );
    const folder = temporaryDirectory();
    ends.push(() => folder.remove());
    await expect(openAdminSocket(join(folder.path, 'x'.repeat(100)), source)).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_ARG_RANGE' }),
    );
  });
});
