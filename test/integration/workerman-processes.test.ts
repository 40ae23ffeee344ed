// sluice/workerman with count above 1: a program in a process of its own, with worker processes below it.

import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TestClient } from '../support/websocket-client.ts';
import { clients, Program } from '../support/workerman-program.ts';
import { Peer } from '../support/workerman-rig.ts';

async function open(port: number): Promise<TestClient> {
  const client = new TestClient(`ws://127.0.0.1:${port}/`);
  clients.push(client);
  return client.opened();
}

/** Asks over new connections until `count` processes have answered; says who they are. */
async function askUntil(port: number, count: number): Promise<Map<string, TestClient>> {
  const found = new Map<string, TestClient>();
  for (let i = 0; i < 400 && found.size < count; i++) {
    const client = await open(port);
    client.ws.send('you');
    const [answer] = await client.hears(1);
    found.set(String(answer).split(' ').slice(0, 4).join(' '), client);
  }
  return found;
}

const CONTRACT = `
  const worker = new Worker('websocket://127.0.0.1:0');
  worker.count = 4;
  worker.onWorkerStart = () => console.log('start', worker.id, process.pid);
  worker.onMessage = (connection, data) =>
    connection.send('hello ' + data + ' ' + worker.id + ' ' + process.pid + ' ' + connection.id);
  Worker.onWorkerExit = (gone, status, pid) => console.log('exit', gone === worker, status, pid);
  Worker.onMasterReload = () => console.log('master reload');
  Worker.pidFile = process.env.FOLDER + '/pid';
  await Worker.runAll();
  if (Worker.getAllWorkers().length === 1 && worker.connections.size === 0) console.log('port ' + worker.port);`;

test('count = 4 is four processes on one port, replaced when they die and at a reload', async () => {
  const program = new Program(CONTRACT, ['start']);
  const port = Number((await program.says(/port (\d+)/))[1]);
  await expect.poll(() => program.pids().length, { timeout: 15_000 }).toBe(4);
  const answers = await askUntil(port, 4);
  expect([...answers.keys()].map((answer) => answer.split(' ')[2]).sort()).toEqual([
    '0',
    '1',
    '2',
    '3',
  ]);
  const ids = clients.map((client) => String(client.received[0]).split(' ')[4]);
  expect(new Set(ids).size).toBe(ids.length);
  const folder = program.child.spawnargs[1] ?? '';
  const pidFile = join(folder, '..', 'pid');
  expect(Number.parseInt(readFileSync(pidFile, 'utf8'), 10)).toBe(program.child.pid);

  const [victim = 0] = program.pids();
  process.kill(victim, 'SIGKILL');
  await program.says(new RegExp(`exit true 137 ${victim}`));
  await expect.poll(() => program.pids().length, { timeout: 15_000 }).toBe(5);

  program.child.kill('SIGUSR1');
  await program.says(/master reload/);
  await expect.poll(() => program.pids().length, { timeout: 20_000 }).toBe(9);
  // Those that the clients were on tell them so, over the window.
  expect([1006, 1012]).toContain((await clients[0]?.ended())?.code);

  program.child.kill('SIGTERM');
  expect(await program.ended).toBe(0);
  expect(existsSync(pidFile)).toBe(false);
  const refused = new Peer({ port, host: '127.0.0.1' });
  await refused.ended();
  expect(refused.hasEnded).toBe(false);
}, 60_000);

test('each worker has processes of its own; SIGQUIT waits for what was asked', async () => {
  const program = new Program(`
    const http = new Worker('http://127.0.0.1:0');
    http.count = 2;
    http.onMessage = (connection) => {
      console.log('asked');
      setTimeout(() => connection.send('late from ' + http.id), 300);
    };
    const text = new Worker('text://127.0.0.1:0');
    text.onMessage = (connection, line) => connection.send(line + ' ' + text.id + ' ' + Worker.getAllWorkers().length);
    http.onWorkerStart = text.onWorkerStart = (worker) => console.log('start', worker.id, process.pid);
    http.onWorkerStop = () => console.log('stopping');
    await Worker.runAll();
    console.log('ports ' + http.port + ' ' + text.port + ' ' + Worker.getAllWorkers().length);`);
  const [, httpPort, textPort] = await program.says(/ports (\d+) (\d+) 2/);
  expect(new Set(program.pids()).size).toBe(3);
  const peer = new Peer({ port: Number(textPort), host: '127.0.0.1' });
  await peer.send('line\n').hears('line 0 1\n');
  peer.socket.destroy();
  const answer = fetch(`http://127.0.0.1:${httpPort}/`);
  await program.says(/asked/);
  program.child.kill('SIGQUIT');
  expect(await (await answer).text()).toMatch(/late from [01]/);
  expect(await program.ended).toBe(0);
  expect(program.output).toContain('stopping');
}, 60_000);

test('stopAll() in a worker ends its process, which is replaced; a taken port is said', async () => {
  const program = new Program(`
    const text = new Worker('text://127.0.0.1:' + (process.argv[2] ?? 0));
    text.count = 2;
    text.onMessage = () => Worker.stopAll(3);
    text.onWorkerStart = (worker) => console.log('start', worker.id, process.pid);
    Worker.onWorkerExit = (worker, status) => console.log('exit', status);
    await Worker.runAll();
    console.log('port ' + text.port);`);
  const port = Number((await program.says(/port (\d+)/))[1]);
  const peer = new Peer({ port, host: '127.0.0.1' }).send('end\n');
  await peer.ended();
  peer.socket.destroy();
  await program.says(/exit 3/);
  await expect.poll(() => program.pids().length, { timeout: 15_000 }).toBe(3);
  const code = readFileSync(program.child.spawnargs[1] ?? '', 'utf8')
    .split('\n')
    .slice(1)
    .join('\n');
  const second = new Program(code, [String(port)]);
  expect(await second.ended).toBe(1);
  expect(second.output).toContain('EADDRINUSE');
}, 60_000);

test('start -d, reload, restart -d and stop find each other by the pid file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-workerman-'));
  const pidFile = join(folder, 'pid');
  const code = `
    const text = new Worker('text://127.0.0.1:0');
    text.onConnect = (connection) => connection.send('hello');
    Worker.pidFile = ${JSON.stringify(pidFile)};
    Worker.stdoutFile = ${JSON.stringify(join(folder, 'out'))};
    Worker.onMasterReload = () => console.log('reloading');
    await Worker.runAll();
    console.log('port ' + text.port);`;
  const command = async (...args: string[]): Promise<string> => {
    const program = new Program(code, args);
    const status = await program.ended;
    return `${status} ${program.output.replace(/^.*pid:\d+ /gm, '').trim()}`;
  };
  const pid = (): number => Number.parseInt(readFileSync(pidFile, 'utf8'), 10);
  const output = (): string => readFileSync(join(folder, 'out'), 'utf8');
  expect(await command('stop')).toBe('1 not running');
  expect(await command('reload')).toBe('1 not running');
  const started = await command('start', '-d');
  const first = pid();
  try {
    expect(started).toBe(`0 started ${first}`);
    await expect.poll(output).toMatch(/port \d+/);
    expect(await command('start')).toContain('ERR_RUNNING');
    expect(await command('reload', '-g')).toBe(`0 reload ${first}`);
    await expect.poll(output).toContain('reloading');
    expect(await command('restart', '-d')).toMatch(/^0 stopped\nstarted \d+$/);
    expect(pid()).not.toBe(first);
    expect(await command('status')).toBe('1 not running, or in one process');
  } finally {
    expect(await command('stop', '-g')).toBe('0 stopped');
  }
  expect(existsSync(pidFile)).toBe(false);
}, 60_000);

test('status and connections show all processes of a program', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-workerman-'));
  const code = `
    const text = new Worker('text://127.0.0.1:0');
    text.count = 2;
    text.name = 'talk';
    Worker.pidFile = ${JSON.stringify(join(folder, 'pid'))};
    await Worker.runAll();
    console.log('port ' + text.port);`;
  const program = new Program(code);
  const port = Number((await program.says(/port (\d+)/))[1]);
  const peers = Array.from({ length: 3 }, () => new Peer({ port, host: '127.0.0.1' }).send('hi\n'));
  const ask = async (command: string): Promise<string> => {
    const asking = new Program(code, [command]);
    expect(await asking.ended).toBe(0);
    return asking.output;
  };
  await expect
    .poll(() => ask('connections').then((text) => text.match(/talk +\d+ +127/g)))
    .toHaveLength(3);
  const status = await ask('status');
  expect(status.match(/^talk +\d+ +ready /gm)).toHaveLength(2);
  expect(status).toMatch(/^total /m);
  for (const peer of peers) peer.socket.destroy();
  const stop = new Program(code, ['stop']);
  expect(await stop.ended).toBe(0);
  expect(await program.ended).toBe(0);
}, 60_000);
