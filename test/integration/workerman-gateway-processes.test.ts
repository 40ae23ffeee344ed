// GatewayWorker in several processes: groups, uids, sessions and clients are those of all; reloadable and user.

import { describe, expect, test } from 'vitest';
import { TestClient } from '../support/websocket-client.ts';
import { clients, Program } from '../support/workerman-program.ts';

const ROOM = `
  const room = new GatewayWorker('websocket://127.0.0.1:0');
  room.count = 2;
  const page = new Worker('http://127.0.0.1:0');
  page.onMessage = (connection, request) => {
    const names = request.get('call').split(',');
    const values = names.map((name) => Gateway[name](...JSON.parse(request.get('args', '[]'))));
    connection.send(JSON.stringify(values.length === 1 ? values[0] : values));
  };
  room.events = {
    onConnect: (id) => Gateway.setSession(id, { at: room.id }),
    onMessage(id, message) {
      const { call, args } = JSON.parse(message);
      Gateway.sendToCurrentClient(JSON.stringify(call === undefined ? [id, room.id] : Gateway[call](...args)));
    },
    onClose: (id) => Gateway.sendToAll('left ' + id, null, id),
  };
  room.onWorkerStop = () => undefined;
  await Worker.runAll();
  if (room.port > 0 && page.port > 0) console.log('ports ' + room.port + ' ' + page.port);`;

interface Seat {
  readonly id: string;
  readonly at: number;
  readonly client: TestClient;
  ask(call: string, ...args: unknown[]): Promise<unknown>;
}

async function seated(port: number): Promise<Seat> {
  const client = await new TestClient(`ws://127.0.0.1:${port}/`).opened();
  clients.push(client);
  const say = async (question: object): Promise<unknown> => {
    const heard = client.received.length;
    client.ws.send(JSON.stringify(question));
    // Meanwhile it may be told of others who have left.
    const answers = (): unknown[] =>
      client.received.slice(heard).filter((text) => !String(text).startsWith('left '));
    await expect.poll(() => answers().length, { timeout: 10_000 }).toBeGreaterThan(0);
    return JSON.parse(String(answers()[0]));
  };
  const [id, at] = (await say({})) as [string, number];
  return { id, at, client, ask: (call, ...args) => say({ call, args }) };
}

async function rig(): Promise<{
  first: Seat;
  second: Seat;
  page: (call: string, ...args: unknown[]) => Promise<unknown>;
}> {
  const program = new Program(ROOM);
  const [, port, pagePort] = await program.says(/ports (\d+) (\d+)/);
  const seats: (Seat | undefined)[] = [];
  for (let i = 0; i < 200 && (seats[0] === undefined || seats[1] === undefined); i++) {
    const seat = await seated(Number(port));
    if (seats[seat.at] === undefined) seats[seat.at] = seat;
    else {
      seat.client.ws.close();
      await seat.client.ended();
    }
  }
  const [first, second] = seats;
  if (first === undefined || second === undefined) expect.fail('all clients in one process');
  const page = async (call: string, ...args: unknown[]): Promise<unknown> => {
    const query = new URLSearchParams({ call, args: JSON.stringify(args) });
    return (await fetch(`http://127.0.0.1:${pagePort}/?${query}`)).json();
  };
  for (const ask of [first.ask, second.ask, page]) {
    await expect.poll(() => ask('getAllClientIdCount'), { timeout: 10_000 }).toBe(2);
  }
  for (const { client } of [first, second]) client.received.length = 0;
  return { first, second, page };
}

const hears = ({ client }: Seat, text: string): Promise<void> =>
  expect.poll(() => client.received.includes(text), { timeout: 10_000 }).toBe(true);

describe('a GatewayWorker with count = 2', () => {
  test('sends to clients, groups, uids and all, from each process and from a plain worker', async () => {
    const { first, second, page } = await rig();
    expect(await page('sendToAll', 'to all')).toBe(2);
    await hears(first, 'to all');
    await hears(second, 'to all');
    expect(await page('sendToClient', first.id, 'to one')).toBe(true);
    await hears(first, 'to one');
    expect(await first.ask('joinGroup', second.id, 'lobby')).toBe(true);
    expect(await page('joinGroup', first.id, 'lobby')).toBe(true);
    await expect.poll(() => second.ask('getClientIdCountByGroup', 'lobby')).toBe(2);
    expect(await second.ask('sendToGroup', 'lobby', 'but me', second.id)).toBe(1);
    await hears(first, 'but me');
    expect(second.client.received).not.toContain('but me');
    expect(await second.ask('bindUid', first.id, 'ann')).toBe(true);
    await expect.poll(() => page('getClientIdByUid', 'ann')).toEqual([first.id]);
    expect(await page('sendToUid', 'ann', 'to ann')).toBe(1);
    await hears(first, 'to ann');
    expect(second.client.received).not.toContain('to ann');
    expect(await page('sendToClient', 'nobody', 'x')).toBe(false);
  });

  test('sessions and lists are of all; who is closed from elsewhere is missed everywhere', async () => {
    const { first, second, page } = await rig();
    expect(await page('getSession', second.id)).toEqual({ at: 1 });
    expect(await first.ask('updateSession', second.id, { name: 'bob' })).toBe(true);
    await expect.poll(() => page('getSession', second.id)).toEqual({ at: 1, name: 'bob' });
    expect(await second.ask('isOnline', first.id)).toBe(true);
    expect(new Set((await page('getAllClientIdList')) as string[])).toEqual(
      new Set([first.id, second.id]),
    );
    expect(await first.ask('closeClient', second.id, 'bye')).toBe(true);
    expect((await second.client.ended()).code).toBe(1000);
    expect(second.client.received.at(-1)).toBe('bye');
    await hears(first, `left ${second.id}`);
    await expect.poll(() => page('isOnline', second.id)).toBe(false);
    expect(await first.ask('joinGroup', second.id, 'lobby')).toBe(false);
  });
});

test('reloadable = false: the process stays at a reload, and onWorkerReload is called', async () => {
  const program = new Program(`
    const stays = new Worker('text://127.0.0.1:0');
    stays.reloadable = false;
    stays.onWorkerReload = () => console.log('told ' + process.pid);
    const goes = new Worker('text://127.0.0.1:0');
    goes.count = 2;
    stays.onWorkerStart = () => console.log('stays ' + process.pid);
    goes.onWorkerStart = (worker) => console.log('start', worker.id, process.pid);
    Worker.onWorkerExit = (worker) => console.log('exit ' + (worker === goes));
    await Worker.runAll();
    if (stays.port > 0 && goes.port > 0) console.log('ready');`);
  await program.says(/ready/);
  const [, pid] = await program.says(/stays (\d+)/);
  program.child.kill('SIGUSR1');
  await program.says(new RegExp(`told ${pid}`));
  await program.says(/exit true\n[\s\S]*exit true/);
  expect(program.pids()).toHaveLength(4);
  expect(program.output.match(/stays/g)).toHaveLength(1);
}, 60_000);

test('user: all processes become it, or say that they may not; it is the same for all', async () => {
  const code = (user: string): string => `
    const worker = new Worker('text://127.0.0.1:0');
    worker.count = 2;
    worker.user = 'nobody';
    worker.onWorkerStart = () => console.log('uid ' + process.getuid());
    const other = new Worker('text://127.0.0.1:0');
    other.user = '${user}';
    await Worker.runAll();
    console.log('up');`;
  const mixed = new Program(code(''));
  expect(await mixed.ended).toBe(1);
  expect(mixed.output).toContain('ERR_UNSUPPORTED');
  const program = new Program(code('nobody'));
  if (process.getuid?.() !== 0) {
    await program.says(/Only root may become user nobody/);
    return;
  }
  await program.says(/uid \d+[\s\S]*uid \d+/);
  expect(program.output).not.toContain('uid 0');
}, 60_000);
