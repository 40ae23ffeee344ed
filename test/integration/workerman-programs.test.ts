// Ten programs in the manner of Workerman's and GatewayWorker's manuals, as processes of their own. The first is the
// one of the contract, with another port, and four processes as it asks for.

import { createConnection } from 'node:net';
import { describe, expect, test } from 'vitest';
import { TestClient } from '../support/websocket-client.ts';
import { clients, Program } from '../support/workerman-program.ts';
import { Peer } from '../support/workerman-rig.ts';

/** Says where it listens; a program names its worker `worker`. */
const RUN = `
  await Worker.runAll();
  if (worker.port > 0 || worker.transport === 'unix') console.log('up ' + worker.port + '.');`;

async function started(code: string): Promise<{ program: Program; port: number }> {
  const program = new Program(code + RUN);
  const [, port] = await program.says(/up (\d+)\./);
  return { program, port: Number(port) };
}

async function open(port: number, path = '/'): Promise<TestClient> {
  const client = await new TestClient(`ws://127.0.0.1:${port}${path}`).opened();
  clients.push(client);
  return client;
}

const peer = (port: number): Peer => new Peer({ port, host: '127.0.0.1' });

describe('programs', () => {
  test('contract.md section 5: hello from four processes', async () => {
    const { port } = await started(`
      const worker = new Worker('websocket://127.0.0.1:0');
      worker.count = 4;
      worker.onMessage = (connection, data) => connection.send('hello ' + data);`);
    for (const name of ['ann', 'ben', 'cem']) {
      const client = await open(port);
      client.ws.send(name);
      expect(await client.hears(1)).toEqual([`hello ${name}`]);
    }
  });

  test('chat room: everybody hears, with names, and who leaves is missed', async () => {
    const { port } = await started(`
      const worker = new Worker('websocket://127.0.0.1:0');
      const tell = (text) => { for (const each of worker.connections.values()) each.send(text); };
      worker.onWebSocketConnect = (connection, request) => {
        connection.context.name = request.get('name');
      };
      worker.onMessage = ({ context }, text) => tell(context.name + ': ' + text);
      worker.onClose = ({ context }) => tell(context.name + ' left');`);
    const [ann, ben] = [await open(port, '/?name=ann'), await open(port, '/?name=ben')];
    ann.ws.send('hi');
    expect(await ben.hears(1)).toEqual(['ann: hi']);
    ann.ws.close();
    expect((await ben.hears(2))[1]).toBe('ann left');
  });

  test('web pages: a form, a cookie, a page that is not there', async () => {
    const { port } = await started(`
      const worker = new Worker('http://127.0.0.1:0');
      worker.count = 2;
      worker.onMessage = (connection, request) => {
        if (request.path() !== '/greet') return connection.send(new Response(404, {}, 'nothing here'));
        const answer = new Response(200, {}, 'hello ' + request.post('name'));
        connection.send(answer.cookie('seen', 'yes'));
      };`);
    const body = new URLSearchParams({ name: 'ann' });
    const greeted = await fetch(`http://127.0.0.1:${port}/greet`, { method: 'POST', body });
    expect(await greeted.text()).toBe('hello ann');
    expect(greeted.headers.get('set-cookie')).toContain('seen=yes');
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404);
  });

  test('TCP echo: bytes come back, and quit ends it', async () => {
    const { port } = await started(`
      const worker = new Worker('tcp://127.0.0.1:0');
      worker.onConnect = (connection) => connection.send('welcome ');
      worker.onMessage = (connection, data) =>
        String(data) === 'quit' ? connection.close('bye') : connection.send(data);`);
    const client = peer(port);
    await client.hears('welcome ');
    await client.send('echo').hears('echo');
    await client.send('quit').hears('bye');
    await client.ended();
  });

  test('text protocol: a calculator of lines, also when they come in pieces', async () => {
    const { port } = await started(`
      const worker = new Worker('text://127.0.0.1:0');
      worker.onMessage = (connection, line) => {
        const numbers = line.split('+').map(Number);
        connection.send(numbers.some(Number.isNaN) ? 'what?' : String(numbers.reduce((a, b) => a + b)));
      };`);
    const client = peer(port);
    await client.send('1+').send('2\n3+4\nx\n').hears('3\n7\nwhat?\n');
  });

  test('heartbeat by a timer: who is silent is closed', async () => {
    const { program, port } = await started(`
      const worker = new Worker('text://127.0.0.1:0');
      worker.onConnect = (connection) => { connection.context.at = Date.now(); };
      worker.onMessage = (connection) => { connection.context.at = Date.now(); };
      worker.onClose = () => console.log('closed');
      worker.onWorkerStart = () => Timer.add(0.05, () => {
        for (const each of worker.connections.values()) {
          if (Date.now() - each.context.at > 300) each.close('too quiet');
        }
      });`);
    const client = peer(port);
    await client.hears('too quiet\n');
    await client.ended();
    client.socket.destroy();
    await program.says(/closed/);
  });

  test('push from inside: a text port, opened in onWorkerStart, reaches the browsers of a uid', async () => {
    const { program, port } = await started(`
      const worker = new Worker('websocket://127.0.0.1:0');
      const users = new Map();
      worker.onMessage = (connection, uid) => {
        users.set(uid, connection);
        connection.send('known');
      };
      worker.onWorkerStart = () => {
        const inner = new Worker('text://127.0.0.1:0');
        inner.onMessage = (connection, line) => {
          const { uid, text } = JSON.parse(line);
          connection.send(users.get(uid)?.send(text) === true ? 'ok' : 'fail');
        };
        inner.listen();
        console.log('inner ' + inner.port + '.');
      };`);
    const [, inner] = await program.says(/inner (\d+)\./);
    const client = await open(port);
    client.ws.send('ann');
    await client.hears(1);
    await peer(Number(inner)).send('{"uid":"ann","text":"mail"}\n').hears('ok\n');
    expect(await client.hears(2)).toEqual(['known', 'mail']);
    await peer(Number(inner)).send('{"uid":"ben","text":"mail"}\n').hears('fail\n');
  });

  test('a Unix socket carries lines', async () => {
    const { program } = await started(`
      const path = process.env.FOLDER + '/socket';
      const worker = new Worker('unix://' + path);
      worker.protocol = Text;
      worker.onMessage = (connection, line) => connection.send('got ' + line);
      console.log('path ' + path + '.');`);
    const [, path = ''] = await program.says(/path (\S+)\./);
    const socket = createConnection(path);
    socket.write('a line\n');
    const heard = await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
    expect(String(heard)).toBe('got a line\n');
  });

  test('an upgrade without the right token is refused', async () => {
    const { port } = await started(`
      const worker = new Worker('websocket://127.0.0.1:0');
      worker.onWebSocketConnect = (connection, request) => {
        if (request.get('token') !== 'let-me-in') connection.close();
      };
      worker.onMessage = (connection) => connection.send('in');`);
    expect((await open(port, '/?token=x')).refusedWith).toBe(403);
    const client = await open(port, '/?token=let-me-in');
    client.ws.send('?');
    expect(await client.hears(1)).toEqual(['in']);
  });

  test('rooms of a GatewayWorker in two processes: join, say, leave', async () => {
    const { port } = await started(`
      const worker = new GatewayWorker('websocket://127.0.0.1:0');
      worker.count = 2;
      worker.events = {
        onMessage(id, message) {
          const { type, room, text } = JSON.parse(message);
          if (type === 'join') Gateway.joinGroup(id, room);
          if (type === 'leave') Gateway.leaveGroup(id, room);
          if (type === 'say') Gateway.sendToGroup(room, text);
          else Gateway.sendToCurrentClient(type + ' ' + Gateway.getClientIdCountByGroup(room));
        },
      };`);
    const seats = [await open(port), await open(port), await open(port), await open(port)];
    const say = (client: TestClient | undefined, word: object): void =>
      client?.ws.send(JSON.stringify({ room: 'r', ...word }));
    for (const client of seats) {
      say(client, { type: 'join' });
      await client.hears(1);
    }
    const count = async (): Promise<unknown> => {
      say(seats[0], { type: 'count' });
      const { received = [] } = seats[0] ?? {};
      await seats[0]?.hears(received.length + 1);
      return received.at(-1);
    };
    await expect.poll(count).toBe('count 4');
    say(seats[3], { type: 'leave' });
    await seats[3]?.hears(2);
    await expect.poll(count).toBe('count 3');
    say(seats[0], { type: 'say', text: 'hello room' });
    for (const client of seats.slice(0, 3)) {
      await expect.poll(() => client.received.at(-1)).toBe('hello room');
    }
    // What it was told of others may have been a turn older.
    expect(seats[3]?.received.join()).toMatch(/^join \d,leave \d$/);
  });
});
