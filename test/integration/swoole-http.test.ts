// sluice/swoole over HTTP: handshakes, requests and answers, files; and ports of other kinds beside it.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { get as getSecure } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import * as swoole from '../../lib/compat/swoole/index.ts';
import { makeCertificate } from '../support/certificates.ts';
import { SwooleRig, talkers } from '../support/swoole-rig.ts';
import { until } from '../support/until.ts';
import { TestClient } from '../support/websocket-client.ts';

const { Server } = swoole;
const nothing = (): undefined => undefined;

describe('handshakes', () => {
  test('the subprotocol of the setting is answered to who offers it', async () => {
    const { rig } = await talkers({ websocket_subprotocol: 'chat' });
    expect((await rig.open('/', ['other', 'chat'])).ws.protocol).toBe('chat');
    expect((await rig.open()).ws.protocol).toBe('');
  });

  test('beforeHandshakeResponse adds fields to the 101', async () => {
    const { rig } = await talkers(
      {},
      {
        beforeHandshakeResponse: (_server, request, response) =>
          response.header('X-Room', request.get['room'] ?? ''),
      },
    );
    const head = await rig.raw().upgrade('/?room=blue');
    expect(head).toMatch(/^HTTP\/1\.1 101 [\s\S]*\r\nX-Room: blue\r\n/);
  });

  test('handshake decides: 101 without an open event, a status of its own, 403 for false', async () => {
    const { rig, fds, frames } = await talkers(
      {},
      {
        handshake: async (request, response) => {
          if (request.get['token'] === 'none') return false;
          if (request.get['token'] === 'odd') response.status(418);
          else response.status(101);
          response.header('X-Seen', 'yes');
          response.end('text');
          return true;
        },
      },
    );
    expect((await rig.open('/?token=none')).refusedWith).toBe(403);
    const odd = await rig.open('/?token=odd');
    expect([odd.refusedWith, odd.refusedHeaders['x-seen']]).toEqual([418, 'yes']);
    const good = await rig.open('/');
    good.ws.send('in');
    await until('a message', () => frames.length === 1);
    expect(fds).toEqual([]);
    expect(rig.server.push(frames[0]?.fd ?? 0, 'out')).toBe(true);
    expect(await good.hears(1)).toEqual(['out']);
  });
});

describe('HTTP', () => {
  test('request: fields, query, form, cookies, body; cookies and status back', async () => {
    const seen: unknown[] = [];
    const { rig } = await talkers(
      {},
      {
        request: (request, response) => {
          const { server, get, post, cookie, header } = request;
          seen.push(
            request.getMethod(),
            server.request_uri,
            server.query_string,
            server.server_port,
          );
          seen.push(
            { ...get },
            { ...post },
            { ...cookie },
            header['x-one'],
            String(request.rawContent()),
          );
          response.status(201, 'Made');
          response.header('X-Two', ['2', '3']);
          response.cookie('a', 'b c', 0, '/', '', true, true, 'Lax');
          response.rawCookie('d', 'e');
          expect(response.end('<b>hi</b>')).toBe(true);
          expect([response.end('again'), response.isWritable()]).toEqual([false, false]);
        },
      },
    );
    const answer = await fetch(`http://${rig.origin}/p/q?x=1&x=2&__proto__=y`, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        cookie: 'one=1; two=%C3%A9; three=%zz',
        'x-one': 'uno',
      },
      body: 'name=ann&note=a+b',
    });
    expect([answer.status, await answer.text()]).toEqual([201, '<b>hi</b>']);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(answer.headers.get('x-two')).toBe('2, 3');
    expect(answer.headers.getSetCookie()).toEqual([
      'a=b%20c; Path=/; Secure; HttpOnly; SameSite=Lax',
      'd=e; Path=/',
    ]);
    expect(seen.slice(0, 4)).toEqual(['POST', '/p/q', 'x=1&x=2&__proto__=y', rig.server.port]);
    expect(Object.entries(seen[4] as object)).toEqual([
      ['x', '2'],
      ['__proto__', 'y'],
    ]);
    expect(seen.slice(5)).toEqual([
      { name: 'ann', note: 'a b' },
      { one: '1', two: 'é', three: '%zz' },
      'uno',
      'name=ann&note=a+b',
    ]);
    expect(rig.errors).toEqual([]);
  });

  test('write, redirect and sendfile', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'swoole-')), 'a.css');
    writeFileSync(file, '0123456789'.repeat(30_000));
    const { rig } = await talkers(
      {},
      {
        request: ({ server }, response) => {
          if (server.request_uri === '/old') response.redirect('/new', 301);
          else if (server.request_uri === '/part') response.sendfile(file, 5, 10);
          else if (server.request_uri === '/all') response.sendfile(file);
          else if (server.request_uri === '/none') response.end(`${response.sendfile('/nowhere')}`);
          else {
            response.write('a');
            response.write('b');
            response.end('c');
          }
        },
      },
    );
    const get = async (path: string): Promise<[number, string]> => {
      const answer = await fetch(`http://${rig.origin}${path}`, { redirect: 'manual' });
      return [answer.status, await answer.text()];
    };
    expect(await get('/')).toEqual([200, 'abc']);
    expect(await get('/old')).toEqual([301, '']);
    expect(await get('/part')).toEqual([200, '5678901234']);
    expect((await get('/all'))[1]).toHaveLength(300_000);
    expect(await get('/none')).toEqual([200, 'false']);
  });

  test('without a request callback HTTP gets 400; without message a handshake is a request', async () => {
    const { rig } = await talkers();
    expect((await fetch(`http://${rig.origin}/`)).status).toBe(400);
    const plain = await SwooleRig.start({ request: (_request, response) => response.end('http') });
    expect((await plain.open()).refusedWith).toBe(200);
  });

  test('document_root: files first, then the callback', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'swoole-'));
    writeFileSync(join(folder, 'page.txt'), 'a file');
    const rig = await SwooleRig.start(
      { request: (_request, response) => response.end('the callback') },
      { document_root: folder, enable_static_handler: true },
    );
    expect(await (await fetch(`http://${rig.origin}/page.txt`)).text()).toBe('a file');
    expect(await (await fetch(`http://${rig.origin}/other`)).text()).toBe('the callback');
  });
});

describe('ports', () => {
  test('receive: bytes without a protocol, on a port of its own', async () => {
    const server = new Server('127.0.0.1', 0);
    const port = server.listen('127.0.0.1', 0, swoole.SWOOLE_SOCK_TCP);
    const log: string[] = [];
    port.on('connect', (_server, fd) => log.push(`connect ${fd}`));
    port.on('receive', (each, fd, _reactor, data) => {
      each.send(fd, `got ${data}`);
      if (String(data) === 'end') each.close(fd);
    });
    port.on('close', (_server, fd, reactorId) => log.push(`close ${fd} ${reactorId}`));
    const rig = await SwooleRig.start({ message: nothing }, {}, server);
    const client = rig.raw(port.port);
    client.send('one');
    await until('an answer', () => client.received.toString() === 'got one');
    const info = server.getClientInfo(1);
    expect(info !== false && info.server_port).toBe(port.port);
    expect(server.push(1, 'x')).toBe(false);
    client.send('end');
    await until('the end', () => client.hasEnded);
    client.socket.destroy();
    await until('close', () => log.length === 2);
    expect(log).toEqual(['connect 1', 'close 1 -1']);
  });

  test('sendfile: a file over TCP, and what is sent behind it comes behind it', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'swoole-')), 'big');
    const bytes = Buffer.alloc(3_000_000, 'abcdefg');
    writeFileSync(file, bytes);
    const results: boolean[] = [];
    const rig = await SwooleRig.start({
      receive: (server, fd) => {
        results.push(server.sendfile(fd, '/nowhere'), server.sendfile(fd, file));
        results.push(server.send(fd, 'behind'), server.sendfile(fd, file));
      },
    });
    const client = rig.raw();
    client.send('go');
    await until('the file', () => client.received.length >= bytes.length + 6);
    expect(client.received.equals(Buffer.concat([bytes, Buffer.from('behind')]))).toBe(true);
    expect(results).toEqual([false, true, true, false]);
  });

  test('a Unix socket is served, and a taken port is told', async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'swoole-')), 's');
    const server = new Server(path, 0, swoole.SWOOLE_BASE, swoole.SWOOLE_SOCK_UNIX_STREAM);
    const rig = await SwooleRig.start(
      { message: (each, { fd }) => each.push(fd, 'ok') },
      {},
      server,
    );
    const client = await new TestClient(`ws+unix:${path}:/`).opened();
    client.ws.send('x');
    expect(await client.hears(1)).toEqual(['ok']);
    client.ws.terminate();
    const tcp = await SwooleRig.start({ message: nothing });
    const second = new Server('127.0.0.1', tcp.server.port);
    second.on('message', nothing);
    const error = await new Promise<unknown>((resolve) => {
      second.on('error', (_server, told) => resolve(told));
      second.start();
    });
    expect(error).toMatchObject({ code: 'ERR_SYSTEM', syscall: 'listen' });
    expect(rig.errors).toEqual([]);
  });

  test('SWOOLE_SSL: https and wss with the certificate of the settings', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'swoole-'));
    const { cert, key } = makeCertificate({ name: 'localhost' });
    const files = {
      ssl_cert_file: join(folder, 'cert.pem'),
      ssl_key_file: join(folder, 'key.pem'),
    };
    writeFileSync(files.ssl_cert_file, cert);
    writeFileSync(files.ssl_key_file, key);
    const type = swoole.SWOOLE_SOCK_TCP | swoole.SWOOLE_SSL;
    const server = new Server('127.0.0.1', 0, swoole.SWOOLE_BASE, type);
    const callbacks = { request: (_q: unknown, answer: swoole.Response) => answer.end('secret') };
    await SwooleRig.start({ message: nothing, ...callbacks }, files, server);
    expect(server.ssl).toBe(true);
    const address = { host: '127.0.0.1', port: server.port, servername: 'localhost', agent: false };
    const body = await new Promise<string>((resolve, reject) => {
      getSecure({ ...address, ca: cert }, (response) => resolve(text(response))).on(
        'error',
        reject,
      );
    });
    expect(body).toBe('secret');
    const bare = new Server('127.0.0.1', 0, swoole.SWOOLE_BASE, type);
    bare.on('message', nothing);
    expect(() => bare.start()).toThrow(expect.objectContaining({ code: 'ERR_ARG_RANGE' }));
  });
});
