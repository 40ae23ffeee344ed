// Supervisors and workers as processes: they start, replace one another, die, hang, and leave. The program
// uses dist/, so the sources must have been compiled.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { request, SteadyLoad, SupervisorProcess } from '../support/supervisor-process.ts';
import { until } from '../support/until.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-process-test-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => SupervisorProcess.killAll());

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

interface Peer {
  readonly pid: string;
  readonly closed: Promise<{ readonly code: number; readonly at: number }>;
  readonly socket: WebSocket;
}

function open(port: number): Promise<Peer> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
  const closed = new Promise<{ code: number; at: number }>((resolve) => {
    socket.on('close', (code) => resolve({ code, at: performance.now() }));
  });
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.once('message', (data) => resolve({ pid: String(data), closed, socket }));
  });
}

describe('workers', () => {
  test('share a port, and each gets its part of the connections', async () => {
    const supervisor = await SupervisorProcess.start({ workers: 2 });
    const counts = new Map<string, number>();
    for (let i = 0; i < 200; i++) {
      const pid = await supervisor.get();
      counts.set(pid, (counts.get(pid) ?? 0) + 1);
    }
    expect([...counts.keys()].map(Number).sort()).toEqual([...supervisor.serving].sort());
    // 200 fair coins: below 60 once in a hundred million runs.
    for (const count of counts.values()) expect(count).toBeGreaterThan(60);
  });

  test('report what they do', async () => {
    const supervisor = await SupervisorProcess.start({
      workers: 1,
      options: { hangTimeoutMs: 500 },
    });
    const peer = await open(supervisor.port);
    for (let i = 0; i < 5; i++) await supervisor.get();
    const [pid] = supervisor.serving;
    await until(
      'a report',
      () => {
        supervisor.signal('SIGWINCH');
        const last = supervisor.lines.findLast((line) => line.kind === 'report');
        const [worker] = (last?.['workers'] ?? []) as Record<string, unknown>[];
        if (worker?.['requests'] !== 5) return false;
        expect(worker).toMatchObject({ slot: 0, pid, state: 'ready', connections: 1 });
        expect(worker['extra']).toEqual({ name: 'worker 0 of 1' });
        expect(worker['memoryBytes']).toBeGreaterThan(10_000_000);
        return true;
      },
      5_000,
    );
    peer.socket.terminate();
  });
});

describe('reload', () => {
  test('loses no request and refuses no connection', async () => {
    const supervisor = await SupervisorProcess.start({ options: { drainWindowMs: 300 } });
    const before = supervisor.serving;
    const load = new SteadyLoad(supervisor.port);
    for (let round = 1; round <= 3; round++) {
      supervisor.signal('SIGHUP');
      await supervisor.says('ready', 2 + 2 * round);
    }
    await supervisor.says('left', 6);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(load.answered).toBeGreaterThan(100);
    expect(supervisor.serving.filter((pid) => before.includes(pid))).toEqual([]);
    expect(supervisor.count('died')).toBe(0);
    expect(supervisor.count('bye')).toBe(6);
  });

  test('closes sockets with 1012, spread over the window', async () => {
    const options = { drainWindowMs: 1_000 };
    const supervisor = await SupervisorProcess.start({ workers: 1, options });
    const peers = await Promise.all(Array.from({ length: 20 }, () => open(supervisor.port)));
    supervisor.signal('SIGHUP');
    await supervisor.says('draining');
    const ends = await Promise.all(peers.map((peer) => peer.closed));
    expect(new Set(ends.map((end) => end.code))).toEqual(new Set([1012]));
    const times = ends.map((end) => end.at).sort((a, b) => a - b);
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(600);
    const half = times.filter((time) => time - (times[0] ?? 0) < 500).length;
    expect(half).toBeGreaterThan(5);
    expect(half).toBeLessThan(15);
  });

  test('an answer under way is finished', async () => {
    const supervisor = await SupervisorProcess.start({ workers: 1, options: { drainWindowMs: 0 } });
    const slow = supervisor.get('/slow');
    await supervisor.get();
    supervisor.signal('SIGHUP');
    expect(Number(await slow)).toBe(supervisor.lines.find((line) => line.kind === 'ready')?.pid);
    await supervisor.says('left');
  });

  test('that a worker asks for is one, too', async () => {
    const supervisor = await SupervisorProcess.start({ workers: 1, options: { drainWindowMs: 0 } });
    const [before] = supervisor.serving;
    expect(await supervisor.get('/reload')).toBe('ok');
    await supervisor.says('left');
    expect(supervisor.serving[0]).not.toBe(before);
  });

  test('with a worker that does not leave in time ends by SIGKILL', async () => {
    const options = { drainWindowMs: 0, drainDeadlineMs: 200, hangTimeoutMs: 0 };
    const supervisor = await SupervisorProcess.start({ workers: 1, options });
    const [pid] = supervisor.serving;
    const hanging = supervisor.get('/hang').catch(() => 'cut');
    supervisor.signal('SIGHUP');
    expect(await supervisor.says('died')).toMatchObject({ pid, signal: 'SIGKILL', wasReady: true });
    expect(await hanging).toBe('cut');
    expect(await supervisor.get()).toBe(String(supervisor.serving[0]));
  });
});

describe('a worker that dies', () => {
  test('takes its own connections with it, and new ones are answered all the while', async () => {
    const supervisor = await SupervisorProcess.start();
    const peers = await Promise.all(Array.from({ length: 20 }, () => open(supervisor.port)));
    for (let round = 1; round <= 3; round++) {
      const victim = supervisor.serving[round % 2] as number;
      const load = new SteadyLoad(supervisor.port, 4);
      process.kill(victim, 'SIGKILL');
      expect(await supervisor.says('died', round)).toMatchObject({ pid: victim, wasReady: true });
      await supervisor.says('ready', 2 + round);
      await load.stop();
      expect(load.slowestMs).toBeLessThan(1_000);
      // Four requests at a time: more cannot have been with the one that died.
      expect(load.failures.length).toBeLessThanOrEqual(4);
      for (const peer of peers.filter((each) => each.pid === String(victim))) {
        expect((await peer.closed).code).toBe(1006);
      }
      const gone = peers.filter((each) => each.socket.readyState !== WebSocket.OPEN);
      expect(gone.every((each) => !supervisor.serving.includes(Number(each.pid)))).toBe(true);
    }
    for (const peer of peers) peer.socket.terminate();
  });

  test('once and again does so after growing waits, and the supervisor gives up and says why', async () => {
    const supervisor = new SupervisorProcess({ options: { worker: { crash: true } } });
    expect(await supervisor.exitCode()).toBe(1);
    const deaths = supervisor.lines.filter((line) => line.kind === 'died');
    expect(deaths.length).toBeGreaterThanOrEqual(10);
    expect(deaths[0]).toMatchObject({ code: 1, wasReady: false });
    expect(supervisor.stderr).toMatch(/No worker can serve: worker \d exited with 1 before it was/);
    expect(supervisor.stderr).toContain('born to crash');
    expect(supervisor.lines.at(-1)).toEqual({ kind: 'ended', code: 1 });
  });

  test('at a start in which all need each other ends it, though the other is well', async () => {
    const worker = { crash: true, crashSlot: 1 };
    const supervisor = new SupervisorProcess({ options: { startTogether: true, worker } });
    expect(await supervisor.exitCode()).toBe(1);
    expect(supervisor.stderr).toMatch(/No worker can serve: worker 1 exited with 1 before it was/);
    const deaths = supervisor.lines.filter((line) => line.kind === 'died');
    expect(deaths.filter((line) => line.code === 1).map(({ slot }) => slot)).toEqual([
      1, 1, 1, 1, 1,
    ]);
  });

  test('after such a start, however often, leaves the other alone', async () => {
    const crashWhile = join(folder, 'one-crashes');
    const worker = { crashWhile, crashSlot: 1 };
    const options = { startTogether: true, worker };
    const supervisor = await SupervisorProcess.start({ options });
    writeFileSync(crashWhile, '');
    process.kill(supervisor.serving[1] ?? 0, 'SIGKILL');
    const count = (what: string): number =>
      supervisor.lines.filter(({ kind, slot }) => kind === what && slot === 1).length;
    await until('seven deaths', () => count('died') >= 7, 60_000);
    expect(await supervisor.get('/')).toBe(String(supervisor.serving[0]));
    rmSync(crashWhile);
    await until('the other again', () => count('ready') === 2, 60_000);
  });

  test('by hanging is found, its stack is told, and it is replaced', async () => {
    const supervisor = await SupervisorProcess.start({ options: { hangTimeoutMs: 1_000 } });
    const hanging = supervisor.get('/hang').catch(() => 'cut');
    const hung = await supervisor.says('hung');
    expect(String(hung['stack'])).toContain('customerHandler');
    expect(await supervisor.says('died')).toMatchObject({ pid: hung.pid, signal: 'SIGKILL' });
    await supervisor.says('ready', 3);
    expect(await hanging).toBe('cut');
    for (let i = 0; i < 20; i++) await supervisor.get();
  });
});

describe('recycling', () => {
  test('after so many requests is a replacement in order', async () => {
    const options = { maxRequests: 50, hangTimeoutMs: 500, drainWindowMs: 100 };
    const supervisor = await SupervisorProcess.start({ workers: 1, options });
    const load = new SteadyLoad(supervisor.port, 2);
    expect(await supervisor.says('recycled')).toMatchObject({ why: 'maxRequests' });
    await supervisor.says('left');
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(supervisor.count('died')).toBe(0);
  });

  test.each([
    { why: 'maxLifetimeMs', limit: 300 },
    { why: 'maxMemory', limit: 1_000_000 },
  ])('by $why', async ({ why, limit }) => {
    const options = { [why]: limit, hangTimeoutMs: 500, drainWindowMs: 0 };
    const supervisor = await SupervisorProcess.start({ workers: 1, options });
    expect(await supervisor.says('recycled')).toMatchObject({ why });
    await supervisor.says('left');
    expect(supervisor.count('died')).toBe(0);
  });
});

describe('the end', () => {
  test.each([
    { name: 'SIGTERM', code: 1001 },
    { name: 'SIGINT', code: 1001 },
    { name: 'SIGQUIT', code: 1012 },
  ] as const)(
    'by $name closes sockets with $code and frees the port at once',
    async ({ name, code }) => {
      const supervisor = await SupervisorProcess.start({ options: { drainWindowMs: 200 } });
      const { port } = supervisor;
      const peer = await open(port);
      await supervisor.get();
      supervisor.signal(name);
      expect((await peer.closed).code).toBe(code);
      expect(await supervisor.exitCode()).toBe(0);
      expect(supervisor.lines.at(-1)).toEqual({ kind: 'ended', code: 0 });
      // The connections of before are in TIME_WAIT.
      const next = await SupervisorProcess.start({ port });
      expect(next.port).toBe(port);
      await next.get();
    },
  );

  test('of the supervisor by kill -9 is the end of its workers, and the next start works', async () => {
    const pidFile = join(folder, 'killed.pid');
    const supervisor = await SupervisorProcess.start({ options: { pidFile } });
    const { port, serving } = supervisor;
    supervisor.signal('SIGKILL');
    await until('the workers leave', () => !serving.some(isAlive), 4_000);
    const next = await SupervisorProcess.start({ port, options: { pidFile } });
    await next.get();
    expect(readFileSync(pidFile, 'utf8')).toBe(`${next.child.pid}\n`);
  });

  test('removes the pid file and the file of a Unix socket', async () => {
    const pidFile = join(folder, 'p');
    const path = join(folder, 's');
    const options = { pidFile, listen: [{ path }] };
    const supervisor = await SupervisorProcess.start({ options });
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(path, () => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
      socket.once('data', (chunk) => resolve(String(chunk)));
      socket.once('error', reject);
    });
    expect(answer).toContain('200 OK');
    supervisor.signal('SIGTERM');
    expect(await supervisor.exitCode()).toBe(0);
    expect([existsSync(pidFile), existsSync(path)]).toEqual([false, false]);
  });
});

describe('a second start', () => {
  test('with the same pid file says so and exits 1', async () => {
    const pidFile = join(folder, 'twice.pid');
    const first = await SupervisorProcess.start({ options: { pidFile } });
    const second = new SupervisorProcess({ options: { pidFile } });
    expect(await second.exitCode()).toBe(1);
    expect(second.stderr).toContain('ERR_RUNNING');
    expect(second.stderr).toContain(`process ${first.child.pid} holds ${pidFile}`);
    await first.get();
  });

  test('on the same port says so, exits 1, and takes nothing', async () => {
    const { port } = await SupervisorProcess.start();
    const pidFile = join(folder, 'port.pid');
    const second = new SupervisorProcess({ port, options: { pidFile } });
    expect(await second.exitCode()).toBe(1);
    expect(second.stderr).toContain('EADDRINUSE');
    expect(existsSync(pidFile)).toBe(false);
    await request(port);
  });

  test('after a pid file was left behind is none', async () => {
    const pidFile = join(folder, 'stale.pid');
    writeFileSync(pidFile, '1\n');
    const supervisor = await SupervisorProcess.start({ options: { pidFile } });
    await supervisor.get();
  });
});
