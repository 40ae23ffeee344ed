// sluice/workerman on real sockets: programs of the kinds that Workerman's manual shows.

import { mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import {
  Chunk,
  Frame,
  Http,
  type Request,
  Response,
  ServerSentEvents,
  type TcpConnection,
  Websocket,
  Worker,
} from '../../lib/compat/workerman/index.ts';
import { ROUTES_MAX } from '../../lib/compat/workerman/websocket-port.ts';
import { makeCertificate } from '../support/certificates.ts';
import { TestClient } from '../support/websocket-client.ts';
import { logged, Peer, stopEverything, webSocket, worker } from '../support/workerman-rig.ts';

afterEach(stopEverything);

const folder = (): string => mkdtempSync(join(tmpdir(), 'sluice-workerman-'));

describe('websocket://', () => {
  test('the program of the contract answers, with one process', async () => {
    const ws = worker('websocket');
    ws.onMessage = (connection, data) => connection.send(`hello ${data}`);
    await Worker.runAll();
    const client = await webSocket(ws, '/any/path?x=1');
    client.ws.send('you');
    expect(await client.hears(1)).toEqual(['hello you']);
  });

  test('callbacks come in their order, and what is sent before the 101 follows it', async () => {
    const ws = worker('websocket');
    const seen: string[] = [];
    ws.onConnect = (connection) => {
      seen.push('connect');
      connection.send('early');
      connection.onWebSocketConnect = (_connection, request) => {
        seen.push(`handshake ${request.get('token')} ${request.header('Origin')}`);
        connection.headers = ['Server: mine', 'Sec-WebSocket-Protocol: chat'];
      };
      connection.onWebSocketConnected = (_connection, request) => {
        seen.push(`connected ${request.path()}`);
      };
    };
    ws.onMessage = (_connection, data) => seen.push(`message ${data}`);
    ws.onWebSocketClose = (_connection, code, reason) => seen.push(`close ${code} ${reason}`);
    ws.onClose = ({ closeInfo }) => seen.push(`closed ${closeInfo?.code} ${closeInfo?.wasClean}`);
    await Worker.runAll();
    const client = await webSocket(ws, '/room?token=t1', ['chat'], { origin: 'https://a.example' });
    expect(await client.hears(1)).toEqual(['early']);
    expect(client.ws.protocol).toBe('chat');
    client.ws.send('one');
    client.ws.close(3001, 'enough');
    // The peer's own code comes back, not 1000.
    expect(await client.ended()).toEqual({ code: 3001, reason: '' });
    await expect
      .poll(() => seen)
      .toEqual([
        'connect',
        'handshake t1 https://a.example',
        'connected /room',
        'message one',
        'close 3001 enough',
        'closed 3001 true',
      ]);
  });

  test('a chat over worker.connections reaches everybody', async () => {
    const ws = worker('websocket');
    ws.onMessage = (from, data) => {
      for (const connection of ws.connections.values()) connection.send(`${from.id}: ${data}`);
    };
    await Worker.runAll();
    const clients = [await webSocket(ws), await webSocket(ws), await webSocket(ws)];
    clients[0]?.ws.send('hi');
    const heard = await Promise.all(clients.map((client) => client.hears(1)));
    expect(new Set(heard.flat()).size).toBe(1);
    expect(ws.connections.size).toBe(3);
  });

  test('bytes are binary, and websocketType makes strings binary, pings and compressed', async () => {
    const ws = worker('websocket');
    ws.onConnect = (connection) => {
      connection.websocketType = Websocket.BINARY_TYPE_BLOB_DEFLATE;
    };
    const pongs: string[] = [];
    ws.onWebSocketPong = (_connection, payload) => pongs.push(String(payload));
    ws.onMessage = (connection, data) => {
      connection.send(data);
      connection.websocketType = Websocket.BINARY_TYPE_ARRAYBUFFER_DEFLATE;
      connection.send('x'.repeat(1000));
      connection.websocketType = '\x89';
      connection.send('are you there');
    };
    await Worker.runAll();
    const client = await webSocket(ws, '/', [], { perMessageDeflate: true });
    expect(client.ws.extensions).toContain('permessage-deflate');
    client.ws.send(Buffer.from([1, 2]));
    expect(await client.hears(2)).toEqual([Buffer.from([1, 2]), Buffer.from('x'.repeat(1000))]);
    await expect.poll(() => pongs).toEqual(['are you there']);
  });

  test('close() in onWebSocketConnect refuses with 403, in onConnect without a word', async () => {
    const ws = worker('websocket');
    ws.onWebSocketConnect = async (connection, request) => {
      await Promise.resolve();
      if (request.get('token') !== 'good') connection.close();
    };
    const closed: number[] = [];
    ws.onClose = (connection) => closed.push(connection.getStatus());
    await Worker.runAll();
    expect((await webSocket(ws, '/?token=bad')).refusedWith).toBe(403);
    expect((await webSocket(ws, '/?token=good')).refusedWith).toBeUndefined();
    ws.onConnect = (connection) => connection.close();
    const peer = Peer.to(ws);
    await peer.ended();
    expect(peer.text).toBe('');
    peer.socket.end();
    await expect.poll(() => closed).toEqual([16, 16]);
  });

  test("transport = 'ssl' is wss, and needs certificates", async () => {
    const bare = worker('websocket');
    bare.transport = 'ssl';
    expect(() => Worker.runAll()).toThrow(expect.objectContaining({ code: 'ERR_ARG_TYPE' }));
    await stopEverything();
    const identity = makeCertificate({ name: 'localhost' });
    const wss = worker('websocket', { ssl: identity });
    wss.transport = 'ssl';
    wss.onMessage = (connection, data) => connection.send(`${connection.transport} ${data}`);
    await Worker.runAll();
    const tls = { ca: identity.cert, servername: 'localhost' };
    const client = new TestClient(`wss://127.0.0.1:${wss.port}/`, [], tls);
    await client.opened();
    client.ws.send('hi');
    expect(await client.hears(1)).toEqual(['ssl hi']);
    client.ws.terminate();
  });

  test('close(data) sends it and says 1000; a plain request gets 426', async () => {
    const ws = worker('websocket');
    ws.onMessage = (connection) => connection.close('bye');
    await Worker.runAll();
    const client = await webSocket(ws);
    client.ws.send('x');
    expect(await client.ended()).toEqual({ code: 1000, reason: '' });
    expect(client.received).toEqual(['bye']);
    expect((await fetch(`http://127.0.0.1:${ws.port}/`)).status).toBe(426);
  });

  test('a message above maxPackageSize closes with 1009', async () => {
    const ws = worker('websocket');
    ws.onConnect = (connection) => {
      connection.maxPackageSize = 100;
    };
    ws.onMessage = (connection, data) => connection.send(String(data).length);
    await Worker.runAll();
    const client = await webSocket(ws);
    client.ws.send('x'.repeat(100));
    expect(await client.hears(1)).toEqual(['100']);
    client.ws.send('x'.repeat(101));
    expect((await client.ended()).code).toBe(1009);
  });
});

test('WebSockets may have 64 different maxPackageSize, the next one is refused', async () => {
  const ws = worker('websocket');
  let size = 1000;
  ws.onConnect = (connection) => {
    connection.maxPackageSize = size;
  };
  await Worker.runAll();
  for (let i = 0; i < ROUTES_MAX; i++, size++) {
    expect((await webSocket(ws)).refusedWith).toBeUndefined();
  }
  expect((await webSocket(ws)).refusedWith).toBe(500);
  expect(logged.join('')).toContain('too many different maxPackageSize');
  size = 1000;
  expect((await webSocket(ws)).refusedWith).toBeUndefined();
});

describe('http://', () => {
  const ask = (to: Worker, path: string, init?: RequestInit): Promise<globalThis.Response> =>
    fetch(`http://127.0.0.1:${to.port}${path}`, init);

  test('a request tells its parts, and a string is a page', async () => {
    const http = worker('http');
    http.onMessage = (connection, request: Request) =>
      connection.send(
        JSON.stringify({
          line: `${request.method()} ${request.path()} ${request.queryString()}`,
          get: [request.get('a'), request.get('none', 'fallback'), request.get()],
          post: request.post(),
          cookie: request.cookie('sid'),
          host: request.host(true),
          raw: request.rawBody(),
          header: request.header('X-Mine'),
        }),
      );
    await Worker.runAll();
    const response = await ask(http, '/x/y?a=1&list[]=2&list[]=3', {
      method: 'POST',
      headers: { 'x-mine': 'yes', cookie: 'a=b; sid=%C3%A9', 'content-type': 'application/json' },
      body: '{"n":1}',
    });
    expect(response.headers.get('content-type')).toBe('text/html;charset=utf-8');
    expect(await response.json()).toEqual({
      line: 'POST /x/y a=1&list[]=2&list[]=3',
      get: ['1', 'fallback', { a: '1', list: ['2', '3'] }],
      post: { n: 1 },
      cookie: 'é',
      host: '127.0.0.1',
      raw: '{"n":1}',
      header: 'yes',
    });
  });

  test('a Response has status, fields, cookies and a body', async () => {
    const http = worker('http');
    http.onMessage = (connection) => {
      const response = new Response(201, { 'X-A': 'one' }, 'old').withStatus(202).withBody('new');
      response.withHeader('X-B', 'two').withHeaders({ 'Content-Type': 'text/plain' });
      response.cookie('a', 'é', { maxAge: 60, path: '/', httpOnly: true }).cookie('b', '2');
      connection.send(response);
    };
    await Worker.runAll();
    const answer = await ask(http, '/');
    expect([answer.status, await answer.text()]).toEqual([202, 'new']);
    const fields = ['x-a', 'x-b', 'content-type'].map((name) => answer.headers.get(name));
    expect(fields).toEqual(['one', 'two', 'text/plain']);
    expect(answer.headers.getSetCookie()).toEqual([
      'a=%C3%A9; Max-Age=60; Path=/; HttpOnly',
      'b=2',
    ]);
  });

  test('answers come later, in pieces, as events', async () => {
    const http = worker('http');
    http.onMessage = async (connection, request: Request) => {
      await Promise.resolve();
      if (request.path() === '/events') {
        connection.send(new Response(200, { 'Content-Type': 'text/event-stream' }));
        connection.send(new ServerSentEvents({ event: 'tick', data: '1\n2', id: 7 }));
        connection.close();
        return;
      }
      connection.send(new Response(200, { 'Transfer-Encoding': 'chunked' }, 'a'));
      connection.send(new Chunk('b'));
      connection.send(new Chunk(''));
      // Nobody has asked for a second answer.
      expect(connection.send('more')).toBe(false);
    };
    await Worker.runAll();
    expect(await (await ask(http, '/')).text()).toBe('ab');
    const events = await (await ask(http, '/events')).text();
    expect(events).toBe('event: tick\nid: 7\ndata: 1\ndata: 2\n\n');
  });

  test('pipelined requests on one connection are answered in order', async () => {
    const http = worker('http');
    const ids = new Set<number>();
    http.onMessage = (connection, request: Request) => {
      ids.add(connection.id);
      setImmediate(() => connection.send(`<${request.path()}>`));
    };
    await Worker.runAll();
    const peer = Peer.to(http);
    for (const path of ['/1', '/2', '/3']) peer.send(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await peer.hears('</3>');
    expect([...peer.text.matchAll(/<(.*?)>/g)].map((match) => match[1])).toEqual([
      '/1',
      '/2',
      '/3',
    ]);
    expect(ids.size).toBe(1);
  });

  test('files, parts of them, and those that are not there', async () => {
    const http = worker('http');
    const file = join(folder(), 'page.html');
    writeFileSync(file, '0123456789');
    http.onMessage = (connection, request: Request) => {
      const path = request.path() === '/none' ? `${file}.none` : file;
      const [offset, length] = request.path() === '/part' ? [2, 3] : [0, 0];
      connection.send(new Response().withFile(path, offset, length));
    };
    await Worker.runAll();
    const whole = await ask(http, '/whole');
    expect([await whole.text(), whole.headers.get('content-type')]).toEqual([
      '0123456789',
      'text/html; charset=utf-8',
    ]);
    expect(await (await ask(http, '/part')).text()).toBe('234');
    expect((await ask(http, '/none')).status).toBe(404);
  });

  test('a body above maxPackageSize gets 413, a multipart form ERR_UNSUPPORTED', async () => {
    const http = worker('http');
    http.onConnect = (connection) => {
      connection.maxPackageSize = 10_000;
    };
    http.onMessage = (connection, request: Request) => {
      try {
        connection.send(String(Object.keys(request.post())));
      } catch (error) {
        connection.send((error as { code: string }).code);
      }
    };
    await Worker.runAll();
    const post = (body: NonNullable<RequestInit['body']>): Promise<globalThis.Response> =>
      ask(http, '/', { method: 'POST', body });
    expect((await post('x'.repeat(10_001))).status).toBe(413);
    expect((await post('x'.repeat(10_000))).status).toBe(200);
    const form = new FormData();
    form.set('a', 'b');
    expect(await (await post(form)).text()).toBe('ERR_UNSUPPORTED');
    expect(await (await post(new URLSearchParams({ a: 'b' }))).text()).toBe('a');
  });
});

describe('streams of bytes', () => {
  test('text:// cuts lines and ends answers with a line feed', async () => {
    const text = worker('text');
    const lines: unknown[] = [];
    text.onMessage = (connection, line) => {
      lines.push(line);
      connection.send(`> ${line}`);
    };
    await Worker.runAll();
    const peer = Peer.to(text).send('one\r\ntwo\nth');
    await peer.hears('> two\n');
    peer.send('ree\n');
    await peer.hears('> three\n');
    expect(lines).toEqual(['one', 'two', 'three']);
  });

  test('frame:// has a length before each package', async () => {
    const frame = worker('frame');
    frame.onMessage = (connection, data) => connection.send(data);
    await Worker.runAll();
    const packed = Frame.encode('hello', undefined);
    const peer = Peer.to(frame);
    for (const byte of Buffer.from(packed)) peer.send(Buffer.from([byte]));
    await peer.hears(Buffer.from(packed).toString('latin1'));
    peer.send(Buffer.from([0, 0, 0, 3]));
    await peer.ended();
    expect(logged.join('')).toContain('is no package');
  });

  test("a protocol of the program's own cuts, decodes and encodes", async () => {
    const json = worker('tcp');
    json.protocol = {
      input: (buffer) => buffer.indexOf(0) + 1,
      decode: (buffer) => JSON.parse(buffer.toString('utf8', 0, buffer.length - 1)) as unknown,
      encode: (data) => `${JSON.stringify(data)}\0`,
    };
    json.onMessage = (connection, data) => connection.send({ got: data });
    await Worker.runAll();
    const peer = Peer.to(json).send('{"a":1}\0');
    await peer.hears('{"got":{"a":1}}\0');
    // What it throws costs this connection only.
    peer.send('no json\0');
    await peer.ended();
    await Peer.to(json).send('2\0').hears('{"got":2}\0');
  });

  test('a line above maxPackageSize ends the connection, one at it does not', async () => {
    const text = worker('text');
    text.onConnect = (connection) => {
      connection.maxPackageSize = 100;
    };
    text.onMessage = (connection, line) => connection.send(String(line).length);
    await Worker.runAll();
    const peer = Peer.to(text).send(`${'x'.repeat(99)}\n`);
    await peer.hears('99\n');
    peer.send('x'.repeat(101));
    await peer.ended();
  });

  test('tcp:// gives bytes as they come; pipe() joins two connections', async () => {
    const tcp = worker('tcp');
    let first: TcpConnection | undefined;
    tcp.onConnect = (connection) => {
      if (first === undefined) first = connection;
      else {
        first.pipe(connection);
        connection.pipe(first);
      }
    };
    const unpaired: unknown[] = [];
    tcp.onMessage = (_connection, data) => unpaired.push(data);
    await Worker.runAll();
    const left = Peer.to(tcp).send('alone');
    await expect.poll(() => unpaired).toEqual([Buffer.from('alone')]);
    const right = Peer.to(tcp);
    await expect.poll(() => tcp.connections.size).toBe(2);
    const much = 'a'.repeat(3_000_000);
    left.send(much);
    await expect.poll(() => right.text.length, { timeout: 8000 }).toBe(much.length);
    right.send('back');
    await left.hears('back');
    left.socket.end();
    await right.ended();
  });

  test('unix:// serves a file, also with another protocol', async () => {
    const path = join(folder(), 'http.sock');
    const unix = new Worker(`unix://${path}`);
    unix.protocol = Http;
    unix.onMessage = (connection) =>
      connection.send(
        `${connection.transport} ${connection.getRemoteAddress()} ${connection.getLocalIp()}`,
      );
    await Worker.runAll();
    expect(statSync(path).isSocket()).toBe(true);
    const peer = new Peer({ path });
    peer.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await peer.hears(`unix  ${path}`);
  });
});
