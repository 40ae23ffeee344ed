// sluice/workerman: what send() answers, faults of callbacks, ends of connections, timers, and the life of
// workers and of the process.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { type TcpConnection, Timer, Worker } from '../../lib/compat/workerman/index.ts';
import { logged, Peer, stopEverything, webSocket, worker } from '../support/workerman-rig.ts';

afterEach(async () => {
  await stopEverything();
  Worker.logFile = '';
  Worker.pidFile = '';
  Worker.stopTimeout = 2;
});

async function pair(from: Worker): Promise<{ peer: Peer; connection: TcpConnection }> {
  const arrived = new Promise<TcpConnection>((resolve) => {
    from.onConnect = resolve;
  });
  await Worker.runAll();
  const peer = Peer.to(from);
  return { peer, connection: await arrived };
}

describe('sending', () => {
  test('true while the kernel takes it, null when not, false and onError when full, then a drain', async () => {
    const tcp = worker('tcp');
    const seen: string[] = [];
    tcp.onBufferFull = () => seen.push('full');
    tcp.onBufferDrain = ({ bufferIsEmpty }) => seen.push(`drain ${typeof bufferIsEmpty}`);
    tcp.onError = (_connection, code, message) => seen.push(`${code} ${message}`);
    const { peer, connection } = await pair(tcp);
    peer.socket.pause();
    connection.maxSendBufferSize = 200_000;
    const piece = 'x'.repeat(100_000);
    const answers: (boolean | null)[] = [];
    while (answers.at(-1) !== false && answers.length < 1000) answers.push(connection.send(piece));
    expect([...new Set(answers)]).toEqual([true, null, false]);
    expect(seen).toEqual(['full', '2 send buffer full and drop package']);
    const owed = connection.getSendBufferQueueSize();
    expect(owed).toBeGreaterThanOrEqual(200_000);
    expect(owed).toBeLessThan(300_000);
    peer.socket.resume();
    const sent = (answers.length - 1) * piece.length;
    await expect.poll(() => peer.text.length, { timeout: 8000 }).toBe(sent);
    await expect.poll(() => seen.at(-1)).toBe('drain function');
    expect(connection.bufferIsEmpty()).toBe(true);
    expect(connection.send('more')).toBe(true);
  });

  test('a WebSocket drops whole messages, and a fast one takes more than its bound in one turn', async () => {
    const ws = worker('websocket');
    let dropped = 0;
    ws.onError = () => dropped++;
    let connection: TcpConnection | undefined;
    ws.onWebSocketConnected = (opened) => {
      connection = opened;
      opened.maxSendBufferSize = 50_000;
      for (let i = 0; i < 20; i++) expect(opened.send('y'.repeat(10_000))).toBe(true);
    };
    await Worker.runAll();
    const client = await webSocket(ws);
    await client.hears(20);
    client.ws.pause();
    let accepted = 20;
    while (dropped === 0) if (connection?.send('z'.repeat(10_000)) !== false) accepted++;
    client.ws.resume();
    expect((await client.hears(accepted)).length).toBe(accepted);
  });

  test('what waits for a handshake is bounded by maxSendBufferSize, too', async () => {
    const ws = worker('websocket');
    const answers: (boolean | null)[] = [];
    let drains = 0;
    ws.onBufferDrain = () => drains++;
    ws.onConnect = (connection) => {
      connection.maxSendBufferSize = 100;
      for (const length of [99, 1, 1]) answers.push(connection.send('e'.repeat(length)));
    };
    ws.onMessage = (connection) => answers.push(connection.send('later'));
    await Worker.runAll();
    const client = await webSocket(ws);
    expect(await client.hears(2)).toEqual(['e'.repeat(99), 'e']);
    client.ws.send('x');
    await client.hears(3);
    expect([answers, drains]).toEqual([[true, null, false, true], 1]);
  });

  test('an answer of HTTP that the kernel does not take is null, and drains', async () => {
    const http = worker('http');
    const seen: unknown[] = [];
    http.onMessage = (connection) => {
      connection.maxSendBufferSize = 100 * 1024 * 1024;
      seen.push(connection.send('x'.repeat(30_000_000)));
    };
    http.onBufferDrain = () => seen.push('drain');
    await Worker.runAll();
    const peer = Peer.to(http).send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await expect.poll(() => seen, { timeout: 8000 }).toEqual([null, 'drain']);
    await expect.poll(() => peer.text.length, { timeout: 8000 }).toBeGreaterThan(30_000_000);
  });

  test('raw bytes pass the protocol by, behind what was sent before', async () => {
    const text = worker('text');
    text.onMessage = (connection) => {
      connection.send('line');
      connection.send('raw', true);
      connection.send(Buffer.from(' bytes\n'), true);
    };
    await Worker.runAll();
    await Peer.to(text).send('go\n').hears('line\nraw bytes\n');
  });
});

describe('the ends', () => {
  test('end() sends, reads nothing more, and waits lingerTimeout for the peer', async () => {
    const tcp = worker('tcp');
    tcp.onConnect = (connection) => {
      connection.lingerTimeout = 0.1;
    };
    const seen: string[] = [];
    tcp.onMessage = (connection, data) => {
      seen.push(String(data));
      connection.end('last');
      seen.push(`${connection.send('more')} ${connection.getStatus()}`);
    };
    tcp.onClose = (connection) => seen.push(connection.getStatus(false));
    await Worker.runAll();
    const peer = Peer.to(tcp).send('one');
    await peer.ended();
    peer.send('two');
    await expect.poll(() => seen).toEqual(['one', 'false 4', 'CLOSED']);
    expect(peer.text).toBe('last');
  });

  test('destroy() drops what is pending; onClose comes once, and with FIN of the peer too', async () => {
    const ws = worker('websocket');
    let closes = 0;
    ws.onClose = () => closes++;
    ws.onMessage = (connection) => {
      connection.send('x'.repeat(100));
      connection.destroy();
      connection.close('never');
      expect(connection.send('never')).toBe(false);
    };
    await Worker.runAll();
    const client = await webSocket(ws);
    client.ws.send('go');
    expect((await client.ended()).code).toBe(1006);
    expect(client.received).toEqual([]);
    await expect.poll(() => closes).toBe(1);
    (await webSocket(ws)).ws.terminate();
    await expect.poll(() => closes).toBe(2);
    expect(ws.connections.size).toBe(0);
  });

  test('pauseRecv() holds packages back, also of the chunk in hand', async () => {
    const text = worker('text');
    const lines: unknown[] = [];
    text.onMessage = (connection, line) => {
      lines.push(line);
      if (line === 'one') connection.pauseRecv();
    };
    const { peer, connection } = await pair(text);
    peer.send('one\ntwo\n');
    await expect.poll(() => lines).toEqual(['one']);
    expect(connection.getRecvBufferQueueSize()).toBe(4);
    connection.consumeRecvBuffer(2);
    expect(connection.getRecvBufferQueueSize()).toBe(2);
    connection.resumeRecv();
    expect(lines).toEqual(['one']);
    await expect.poll(() => lines).toEqual(['one', 'o']);
  });
});

describe('faults', () => {
  test.each([
    ['tcp', 'onConnect'],
    ['tcp', 'onMessage'],
    ['text', 'onMessage'],
    ['tcp', 'onClose'],
  ] as const)('%s: %s that throws costs its own connection', async (scheme, name) => {
    const broken = worker(scheme);
    const healthy = worker('text');
    healthy.onMessage = (connection, line) => connection.send(line);
    broken[name] = () => {
      throw new Error(`no luck in ${name}`);
    };
    await Worker.runAll();
    const other = Peer.to(healthy);
    const peer = Peer.to(broken).send('x\n');
    if (name === 'onClose') peer.socket.end();
    await peer.ended();
    await expect.poll(() => logged.join('')).toContain(`no luck in ${name}`);
    await other.send('still here\n').hears('still here\n');
    expect(Worker.isRunning()).toBe(true);
  });

  test('a WebSocket is told 1011, a request 500, a handshake 500', async () => {
    const ws = worker('websocket');
    ws.onMessage = async () => {
      await Promise.resolve();
      throw new Error('later');
    };
    const http = worker('http');
    http.onMessage = () => {
      throw new Error('at once');
    };
    await Worker.runAll();
    const client = await webSocket(ws);
    client.ws.send('x');
    expect((await client.ended()).code).toBe(1011);
    expect((await fetch(`http://127.0.0.1:${http.port}/`)).status).toBe(500);
    ws.onWebSocketConnect = () => {
      throw new Error('in the handshake');
    };
    expect((await webSocket(ws)).refusedWith).toBe(500);
    for (const text of ['later', 'at once', 'in the handshake']) {
      expect(logged.filter((line) => line.includes(`Error: ${text}`))).toHaveLength(1);
    }
  });

  test('what is not served is refused at runAll(): UDP, a daemon without a pid file, listen() with a count', () => {
    const refuses = (code: string): void => {
      expect(() => Worker.runAll()).toThrow(expect.objectContaining({ code }));
    };
    const tcp = worker('tcp');
    for (const count of [0, 1.5]) {
      tcp.count = count;
      refuses('ERR_ARG_RANGE');
    }
    tcp.count = 2;
    expect(() => tcp.listen()).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
    tcp.count = 1;
    Worker.daemonize = true;
    refuses('ERR_STATE');
    Worker.daemonize = false;
    worker('udp');
    expect(() => Worker.runAll()).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
  });
});

describe('timers', () => {
  test('heartbeat: who has not spoken is closed', async () => {
    const ws = worker('websocket');
    ws.onMessage = (connection) => {
      connection.context['lastMessageTime'] = performance.now();
    };
    ws.onWorkerStart = () =>
      Timer.add(0.02, () => {
        for (const connection of ws.connections.values()) {
          const last = connection.context['lastMessageTime'];
          if (typeof last !== 'number') connection.context['lastMessageTime'] = performance.now();
          else if (performance.now() - last > 200) connection.close();
        }
      });
    await Worker.runAll();
    const [silent, talking] = [await webSocket(ws), await webSocket(ws)];
    const talk = setInterval(() => talking.ws.send('x'), 20);
    expect((await silent.ended()).code).toBe(1000);
    clearInterval(talk);
    expect(talking.closed).toBeUndefined();
  });

  test('repeat, delay, del, delAll, sleep; a fault is logged and the timer goes on', async () => {
    const seen: string[] = [];
    const id = Timer.repeat(
      0.001,
      (what: string) => {
        seen.push(what);
        throw new Error('tick failed');
      },
      ['tick'],
    );
    Timer.delay(0.001, async (what: string) => seen.push(what), ['once']);
    const never = Timer.add(0.002, () => seen.push('never'), [], false);
    expect(Timer.del(never)).toBe(true);
    expect(Timer.del(never)).toBe(false);
    await Timer.sleep(0.01);
    await expect.poll(() => seen.filter((each) => each === 'tick').length).toBeGreaterThan(2);
    expect(seen.filter((each) => each === 'once')).toHaveLength(1);
    expect(seen).not.toContain('never');
    expect(logged.join('')).toContain('tick failed');
    Timer.del(id);
    Timer.add(1000, () => undefined);
    Timer.delAll();
    expect(Timer.count).toBe(0);
    for (const wrong of [0, -1, Number.NaN, 2_147_483.648]) {
      expect(() => Timer.add(wrong, () => undefined)).toThrow();
    }
  });
});

describe('workers', () => {
  test('ids grow over all workers, and addresses are those of both ends', async () => {
    const [tcp, text] = [worker('tcp'), worker('text')];
    const ids: number[] = [];
    tcp.onConnect = (connection) => ids.push(connection.id);
    text.onConnect = (connection) => {
      ids.push(connection.id);
      const mine = [connection.getLocalIp(), connection.getLocalPort()];
      expect(mine).toEqual(['127.0.0.1', text.port]);
      expect(connection.getLocalAddress()).toBe(`127.0.0.1:${text.port}`);
      const { context, worker: own } = connection;
      expect([connection.isIpV4(), connection.isIpV6(), own, context]).toEqual([
        true,
        false,
        text,
        {},
      ]);
      const remote = `${connection.getRemoteIp()}:${connection.getRemotePort()}`;
      connection.send(`${remote} ${connection.getRemoteAddress()}`);
    };
    await Worker.runAll();
    for (const each of [tcp, text, tcp]) {
      const before = ids.length;
      const peer = Peer.to(each);
      await expect.poll(() => ids.length).toBe(before + 1);
      if (each !== text) continue;
      const address = `127.0.0.1:${peer.socket.localPort}`;
      await peer.hears(`${address} ${address}\n`);
    }
    expect(ids).toEqual([ids[0], (ids[0] ?? 0) + 1, (ids[0] ?? 0) + 2]);
  });

  test('counters of bytes are those of the socket', async () => {
    const tcp = worker('tcp');
    tcp.onMessage = (connection, data) => connection.send(data);
    const { peer, connection } = await pair(tcp);
    await peer.send('12345').hears('12345');
    expect([connection.bytesRead, connection.bytesWritten]).toEqual([5, 5]);
    expect(tcp.requestCount).toBe(1);
  });

  test('onWorkerStart and onWorkerStop are called in order; a worker without a place only starts', async () => {
    const seen: string[] = [];
    for (const [name, each] of [new Worker(), worker('tcp')].entries()) {
      each.onWorkerStart = async () => {
        await Promise.resolve();
        seen.push(`start ${name} ${Worker.getStatus()}`);
      };
      each.onWorkerStop = () => seen.push(`stop ${name}`);
      each.onWorkerReload = () => seen.push(`reload ${name}`);
    }
    Worker.onMasterReload = () => seen.push('master reload');
    Worker.onMasterStop = () => seen.push('master stop');
    expect(Worker.getStatus()).toBe(Worker.STATUS_INITIAL);
    await Worker.runAll();
    expect(() => Worker.runAll()).toThrow();
    Worker.reloadAll();
    await Worker.stopAll();
    Worker.onMasterReload = null;
    Worker.onMasterStop = null;
    expect(seen).toEqual([
      'start 0 2',
      'start 1 2',
      'master reload',
      'reload 0',
      'reload 1',
      'master stop',
      'stop 0',
      'stop 1',
    ]);
    expect(Worker.getAllWorkers()).toEqual([]);
  });

  test('an inner worker listens from onWorkerStart; unlisten, pauseAccept, resumeAccept', async () => {
    const outer = new Worker();
    let inner: Worker | undefined;
    outer.onWorkerStart = () => {
      inner = new Worker('text://127.0.0.1:0');
      inner.onMessage = (connection, line) => connection.send(line);
      inner.listen();
    };
    await Worker.runAll();
    if (inner === undefined) throw new Error('no inner worker');
    const { port } = inner;
    const peer = Peer.to(inner);
    await peer.send('a\n').hears('a\n');
    inner.pauseAccept();
    await new Peer({ port, host: '127.0.0.1' }).ended();
    await peer.send('b\n').hears('b\n');
    inner.resumeAccept();
    expect(inner.port).toBe(port);
    await Peer.to(inner).send('c\n').hears('c\n');
    inner.unlisten();
    await new Peer({ port, host: '127.0.0.1' }).ended();
    inner.listen(false);
    await new Peer({ port, host: '127.0.0.1' }).ended();
    inner.resumeAccept();
    await new Peer({ port, host: '127.0.0.1' }).send('d\n').hears('d\n');
  });

  test('a port in use is refused, unless reusePort; then nothing listens', async () => {
    const first = worker('tcp');
    await Worker.runAll();
    const taken = first.port;
    const script = `
      import { Worker } from ${JSON.stringify(new URL('../../dist/compat/workerman/index.js', import.meta.url).href)};
      const worker = new Worker('tcp://127.0.0.1:${taken}');
      worker.reusePort = process.env.REUSE === '1';
      await Worker.runAll().then(() => console.log('listens'), (error) => console.log(error.cause.code));
      process.exit();`;
    for (const [reuse, answer] of [
      ['0', 'EADDRINUSE'],
      ['1', 'listens'],
    ] as const) {
      expect(await run(script, { REUSE: reuse })).toBe(`${answer}\n`);
    }
  });
});

async function run(code: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    env: { ...process.env, ...env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text: Buffer) => {
      output += text.toString();
    });
  }
  await once(child, 'close');
  return output;
}

describe('the process', () => {
  const program = (more = ''): string => `
    import { Worker } from ${JSON.stringify(new URL('../../dist/compat/workerman/index.js', import.meta.url).href)};
    const worker = new Worker('text://127.0.0.1:0');
    worker.onWorkerStop = () => console.log('stopping');
    worker.onConnect = (connection) => connection.send('hello');
    worker.onClose = () => console.log('closed');
    Worker.onMasterReload = () => console.log('reloading');
    ${more}
    await Worker.runAll();
    setInterval(() => undefined, 1000);
    console.log('port ' + worker.port);`;

  async function start(
    code: string,
  ): Promise<{ child: ReturnType<typeof spawn>; says(text: string): Promise<string> }> {
    const child = spawn(process.execPath, ['--input-type=module', '-e', code]);
    let output = '';
    child.stdout.on('data', (text: Buffer) => {
      output += text.toString();
    });
    child.stderr.on('data', (text: Buffer) => {
      output += text.toString();
    });
    const says = async (text: string): Promise<string> => {
      await expect.poll(() => output, { timeout: 10_000 }).toContain(text);
      return output;
    };
    return { child, says };
  }

  test('SIGUSR2 reloads, SIGTERM closes connections and ends it', async () => {
    const pidFile = join(mkdtempSync(join(tmpdir(), 'sluice-workerman-')), 'pid');
    const { child, says } = await start(program(`Worker.pidFile = ${JSON.stringify(pidFile)};`));
    const port = Number(/port (\d+)/.exec(await says('port'))?.[1]);
    expect(readFileSync(pidFile, 'utf8')).toBe(`${child.pid}\n`);
    const peer = new Peer({ port, host: '127.0.0.1' });
    await peer.hears('hello');
    child.kill('SIGUSR2');
    await says('reloading');
    child.kill('SIGTERM');
    await peer.ended();
    peer.socket.end();
    const [code] = await once(child, 'exit');
    expect(code).toBe(0);
    expect(await says('closed')).toContain('stopping');
    expect(existsSync(pidFile)).toBe(false);
  });

  test('SIGQUIT waits for the last connection; stopAll(code) says the code', async () => {
    const graceful = await start(program());
    const port = Number(/port (\d+)/.exec(await graceful.says('port'))?.[1]);
    const peer = new Peer({ port, host: '127.0.0.1' });
    await peer.hears('hello');
    graceful.child.kill('SIGQUIT');
    await graceful.says('stopping');
    expect(peer.hasEnded).toBe(false);
    peer.socket.end();
    expect((await once(graceful.child, 'exit'))[0]).toBe(0);
    const code = program().replace(
      'setInterval(() => undefined, 1000);',
      "Worker.stopAll(7, 'that was it');",
    );
    const coded = await start(code);
    expect((await once(coded.child, 'exit'))[0]).toBe(7);
    expect(await coded.says('that was it')).toMatch(/pid:\d+ that was it/);
  });

  test('the process becomes the user that a worker names, or says that it may not', async () => {
    const code = `
      import { Worker } from ${JSON.stringify(new URL('../../dist/compat/workerman/index.js', import.meta.url).href)};
      const worker = new Worker('text://127.0.0.1:0');
      worker.user = 'nobody';
      await Worker.runAll().then(
        () => console.log(process.getuid(), process.getgid(), process.getgroups().join()),
        (error) => console.log(error.cause.code));
      process.exit();`;
    const [uid, gid] = ['-u', '-g'].map((flag) =>
      execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }).trim(),
    );
    const becomes = `${uid} ${gid} ${gid}\n`;
    expect(await run(code)).toBe(process.getuid?.() === 0 ? becomes : 'EPERM\n');
  });

  test('a connection that does not close is dropped after stopTimeout', async () => {
    Worker.stopTimeout = 0.1;
    const tcp = worker('tcp');
    const { peer } = await pair(tcp);
    const before = performance.now();
    await Worker.stopAll();
    expect(performance.now() - before).toBeLessThan(1900);
    await peer.ended();
  });

  test('the log goes to a file, which is put aside at its bound', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'sluice-workerman-')), 'log');
    Worker.logFile = file;
    Worker.log('first');
    expect(readFileSync(file, 'utf8')).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d pid:\d+ first\n$/);
    Worker.safeEcho('on screen');
    expect(logged.at(-1)).toBe('on screen');
    const before = Worker.logFileMaxSize;
    Worker.logFileMaxSize = 100;
    writeFileSync(file, 'x'.repeat(100));
    Worker.log('second');
    Worker.logFileMaxSize = before;
    expect(readFileSync(`${file}.1`, 'utf8')).toBe('x'.repeat(100));
    expect(readFileSync(file, 'utf8')).toContain('second');
  });
});
