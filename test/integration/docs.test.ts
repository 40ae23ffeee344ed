// The samples of docs/library.md, docs/client.md, docs/workerman.md and README.md, run as their readers would:
// programs of their own that import `sluice` from dist. Each does what the text around it says.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { get as getSecure } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { makeCertificate, type TestIdentity } from '../support/certificates.ts';
import { DevProcess } from '../support/dev-process.ts';
import { blocksOf } from '../support/document-blocks.ts';
import { until } from '../support/until.ts';

const DEADLINE_MS = 10_000;
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Inside the package, so that a program there may import it by its name. */
const FOLDER = join(ROOT, 'build', 'test-docs');

function sampleOf(document: string, name: string): string {
  const text = readFileSync(join(ROOT, 'docs', document), 'utf8');
  const block = blocksOf(text, ['js']).find((each) => each.name === name);
  if (block === undefined) throw new Error(`docs/${document} has no sample ${name}`);
  return block.code;
}

/** One sample in a process of its own. */
class Sample {
  static readonly running: Sample[] = [];
  readonly process: ChildProcess;
  output = '';

  constructor(name: string, code: string, env: Readonly<Record<string, string>> = {}) {
    mkdirSync(FOLDER, { recursive: true });
    const file = join(FOLDER, `${name}.mjs`);
    writeFileSync(file, code);
    this.process = spawn(process.execPath, [file], { env: { ...process.env, ...env } });
    const note = (chunk: Buffer): void => {
      this.output += chunk.toString();
    };
    this.process.stdout?.on('data', note);
    this.process.stderr?.on('data', note);
    Sample.running.push(this);
  }

  async says(pattern: RegExp): Promise<RegExpExecArray> {
    let match: RegExpExecArray | null = null;
    const look = (): boolean => {
      match = pattern.exec(this.output);
      return match !== null;
    };
    await until(`${pattern} in: ${this.output}`, look, DEADLINE_MS);
    return match ?? expect.fail(this.output);
  }

  ended(): Promise<number | null> {
    const { exitCode } = this.process;
    if (exitCode !== null) return Promise.resolve(exitCode);
    return new Promise((resolve) => this.process.once('exit', (code) => resolve(code)));
  }
}

afterEach(async () => {
  for (const sample of Sample.running.splice(0)) {
    sample.process.kill('SIGKILL');
    await sample.ended();
  }
});

async function serve(name: string): Promise<{ sample: Sample; host: string }> {
  const code = sampleOf('library.md', name).replace('port: 9502', 'port: 0');
  const sample = new Sample(name, code);
  const [, port] = await sample.says(/listening on (\d+)/);
  return { sample, host: `127.0.0.1:${port}` };
}

interface Peer {
  readonly socket: WebSocket;
  readonly messages: string[];
  readonly closed: Promise<number>;
  says(count: number): Promise<string[]>;
}

async function open(url: string): Promise<Peer> {
  const socket = new WebSocket(url);
  const messages: string[] = [];
  socket.on('message', (data) => messages.push(String(data)));
  const closed = new Promise<number>((resolve) => socket.on('close', resolve));
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  const says = async (count: number): Promise<string[]> => {
    await until(`${count} messages`, () => messages.length >= count, DEADLINE_MS);
    return messages;
  };
  return { socket, messages, closed, says };
}

const textOf = async (url: string, init?: RequestInit): Promise<string> =>
  (await fetch(url, init)).text();

describe('library.md', () => {
  test('echo: both protocols on one port', async () => {
    const { host } = await serve('echo');
    expect(await textOf(`http://${host}/hello`)).toBe('hello\n');
    const peer = await open(`ws://${host}/chat`);
    peer.socket.send('to and fro');
    expect(await peer.says(1)).toEqual(['to and fro']);
    expect((await fetch(`http://${host}/chat`)).status).toBe(426);
    peer.socket.terminate();
  });

  test('listen: a port and a path answer, and the path can be closed alone', async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'sluice-docs-')), 's');
    const code = sampleOf('library.md', 'listen').replace('port: 9502', 'port: 0');
    const sample = new Sample('listen', code, { SOCKET_PATH: path });
    const [, port, shown] = await sample.says(/listening on (\d+) and (\S+)/);
    expect(shown).toBe(path);
    expect(await textOf(`http://127.0.0.1:${port}/`)).toBe('from 127.0.0.1\n');
    const [response] = await once(get({ socketPath: path, path: '/' }), 'response');
    expect(await text(response)).toBe('from this machine\n');
    sample.process.kill('SIGHUP');
    await until('the file to go', () => !existsSync(path), DEADLINE_MS);
    expect(await textOf(`http://127.0.0.1:${port}/`)).toBe('from 127.0.0.1\n');
  });

  test('tls: answers over https, and reads its certificate again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-docs-'));
    const files = { CERT_FILE: join(folder, 'cert.pem'), KEY_FILE: join(folder, 'key.pem') };
    const put = ({ cert, key }: TestIdentity): void => {
      writeFileSync(files.CERT_FILE, cert);
      writeFileSync(files.KEY_FILE, key);
    };
    const first = makeCertificate({ name: 'localhost' });
    put(first);
    const code = sampleOf('library.md', 'tls').replace('port: 9502', 'port: 0');
    const sample = new Sample('tls', code, files);
    const [, port] = await sample.says(/listening on (\d+)/);
    const address = { host: '127.0.0.1', port: Number(port), servername: 'localhost' };
    const [response] = await once(getSecure({ ...address, ca: first.cert }), 'response');
    expect(JSON.parse(await text(response))).toMatchObject({ protocol: 'TLSv1.3' });
    const second = makeCertificate({ name: 'localhost' });
    put(second);
    sample.process.kill('SIGHUP');
    const deadline = Date.now() + DEADLINE_MS;
    let isNew = false;
    while (!isNew && Date.now() < deadline) {
      const request = getSecure({ ...address, ca: second.cert, agent: false });
      isNew = await once(request, 'response').then(
        ([answer]) => answer.resume() !== undefined,
        () => false,
      );
    }
    expect(isNew).toBe(true);
  });

  test('http: parameters, query, JSON, a streamed body', async () => {
    const { host } = await serve('http');
    expect(await textOf(`http://${host}/users/ann?greeting=hi`)).toBe('hi ann\n');
    const sum = await textOf(`http://${host}/sum`, { method: 'POST', body: '[1,2,3.5]' });
    expect(sum).toBe('{"sum":6.5}');
    const body = 'x'.repeat(300_000);
    expect(await textOf(`http://${host}/count`, { method: 'POST', body })).toBe('bytes: 300000\n');
  });

  test('streaming: a generator, and a client that leaves', async () => {
    const { host } = await serve('streaming');
    const text = await textOf(`http://${host}/numbers/50000`);
    expect(text.split('\n')).toHaveLength(50_001);
    const leaving = new AbortController();
    const slow = fetch(`http://${host}/slow`, { signal: leaving.signal });
    await textOf(`http://${host}/numbers/1`);
    leaving.abort();
    await expect(slow).rejects.toThrow();
  });

  test('files: a part, and nothing when it is known', async () => {
    const { host } = await serve('files');
    const url = `http://${host}/docs/files.mjs`;
    const part = await fetch(url, { headers: { range: 'bytes=0-2' } });
    expect([part.status, await part.text()]).toEqual([206, '// ']);
    const etag = part.headers.get('etag') ?? '';
    expect((await fetch(url, { headers: { 'if-none-match': etag } })).status).toBe(304);
    expect((await fetch(`http://${host}/docs/%2e%2e/x`)).status).toBe(404);
  });

  test('upgrade: refuses, hands data on, closes with a reason', async () => {
    const { sample, host } = await serve('upgrade');
    await expect(open(`ws://${host}/room/blue`)).rejects.toThrow('401');
    const peer = await open(`ws://${host}/room/blue?user=ann`);
    expect(await peer.says(1)).toEqual(['welcome ann to blue']);
    peer.socket.send('bye');
    expect(await peer.closed).toBe(1000);
    await sample.says(/ann left: 1000/);
  });

  test('latest: a publish reaches who listens', async () => {
    const { host } = await serve('latest');
    const peer = await open(`ws://${host}/prices`);
    const answer = await textOf(`http://${host}/price/eur`, { method: 'POST', body: '1.08' });
    expect(JSON.parse(answer)).toEqual({ subscribers: 1, dropped: 0 });
    expect(await peer.says(1)).toEqual(['{"name":"eur","price":1.08}']);
    peer.socket.terminate();
  });

  test('pieces: an upload is counted while it comes, a download arrives whole', async () => {
    const { host } = await serve('pieces');
    const upload = await open(`ws://${host}/upload`);
    upload.socket.send(Buffer.alloc(3_000_000));
    upload.socket.send('é'.repeat(1000));
    expect(await upload.says(2)).toEqual(['3000000 bytes', '1000 units']);
    const socket = new WebSocket(`ws://${host}/download`);
    const lengths: number[] = [];
    socket.on('message', (data: Buffer) => lengths.push(data.length));
    await until('two messages', () => lengths.length === 2, DEADLINE_MS);
    expect(lengths).toEqual([10_000_000, 'that was all'.length]);
    for (const each of [upload.socket, socket]) each.terminate();
  });

  test('metrics: prom-client is fed', async () => {
    const { host } = await serve('metrics');
    const peer = await open(`ws://${host}/echo`);
    peer.socket.send('x'.repeat(100));
    await peer.says(1);
    await textOf(`http://${host}/metrics`);
    const text = await textOf(`http://${host}/metrics`);
    expect(text).toContain('ws_message_length_bucket{le="1024"} 1\n');
    expect(text).toContain('http_ms_count{status="200"} 1\n');
    expect(text).toContain('\nws_open 1\n');
    expect(text).toContain('\nws_queued_bytes 0\n');
    peer.socket.terminate();
  });

  test('backpressure: every line arrives, in order, although the peer pauses', async () => {
    const { host } = await serve('backpressure');
    const peer = await open(`ws://${host}/lines`);
    peer.socket.pause();
    await new Promise((resolve) => setImmediate(resolve));
    peer.socket.resume();
    expect(await peer.closed).toBe(1000);
    expect(peer.messages.length).toBe(200_000);
    const numbers = peer.messages.map((line) => Number(line.split(' ')[1]));
    expect(numbers.every((number, index) => number === index)).toBe(true);
  });

  test('topics: a publish reaches everybody, the sender included', async () => {
    const { host } = await serve('topics');
    const peers = [await open(`ws://${host}/chat`), await open(`ws://${host}/chat`)];
    peers[0]?.socket.send('hello all');
    for (const peer of peers) expect(await peer.says(1)).toEqual(['hello all']);
    for (const peer of peers) peer.socket.terminate();
  });

  test('deflate: compressed when it was agreed on, and as it is when asked to', async () => {
    const { sample, host } = await serve('deflate');
    const peer = await open(`ws://${host}/feed`);
    const line = 'a long line '.repeat(100);
    expect(await peer.says(2)).toEqual([line, line]);
    await sample.says(/permessage-deflate; server_no_context_takeover; client_no_context_takeover/);
    peer.socket.terminate();
  });

  test('admission: another page is refused, and the fifth socket of a token', async () => {
    const { host } = await serve('admission');
    const knock = (origin: string): Promise<string> =>
      new Promise((resolve) => {
        const socket = new WebSocket(`ws://${host}/desk`, {
          headers: { Origin: origin, Authorization: 'Bearer one' },
        });
        socket.on('open', () => resolve('open'));
        socket.on('error', (error) => resolve(error.message));
      });
    expect(await knock('https://evil.example')).toBe('Unexpected server response: 403');
    for (let i = 0; i < 4; i++) expect(await knock('https://desk.example')).toBe('open');
    expect(await knock('https://desk.example')).toBe('Unexpected server response: 429');
  });

  test('close: sockets are told the code, and the process ends by itself', async () => {
    const { sample, host } = await serve('close');
    const peer = await open(`ws://${host}/`);
    sample.process.kill('SIGTERM');
    expect(await peer.closed).toBe(1012);
    expect(await sample.ended()).toBe(0);
    expect(sample.output).toContain('closed');
  });

  test('errors: a handler that throws costs its own request, a body that is too large is answered', async () => {
    const { sample, host } = await serve('errors');
    expect((await fetch(`http://${host}/broken`)).status).toBe(500);
    await sample.says(/a handler failed: no luck/);
    const body = 'x'.repeat(1024 * 1024 + 1);
    expect((await fetch(`http://${host}/upload`, { method: 'POST', body })).status).toBe(413);
    await sample.says(/the client was answered 413: ERR_HTTP_BODY_LENGTH/);
    expect(await textOf(`http://${host}/upload`, { method: 'POST', body: 'abc' })).toBe('3\n');
  });
});

describe('workerman.md', () => {
  async function serveWorker(name: string, port: number): Promise<string> {
    const sample = new Sample(name, sampleOf('workerman.md', name).replace(`1:${port}`, '1:0'));
    const [, chosen] = await sample.says(/listening on (\d+)/);
    return `127.0.0.1:${chosen}`;
  }

  test('workerman-chat: everybody hears everybody', async () => {
    const host = await serveWorker('workerman-chat', 2000);
    const peers = [await open(`ws://${host}`), await open(`ws://${host}`)];
    peers[0]?.socket.send('hi');
    for (const peer of peers) expect(await peer.says(1)).toEqual(['1: hi']);
    for (const peer of peers) peer.socket.terminate();
  });

  test('workerman-count: four processes answer', async () => {
    const code = sampleOf('workerman.md', 'workerman-count').replace('1:2001', '1:0');
    const sample = new Sample('workerman-count', code);
    const [, port] = await sample.says(/worker 3 on (\d+)/);
    const peer = await open(`ws://127.0.0.1:${port}`);
    peer.socket.send('you');
    expect(await peer.says(1)).toEqual(['hello you']);
    sample.process.kill('SIGTERM');
    expect(await sample.ended()).toBe(0);
  });

  test('workerman-http: a page and a 404', async () => {
    const host = await serveWorker('workerman-http', 8081);
    expect(await textOf(`http://${host}/hello?name=ann`)).toBe('hello ann');
    expect((await fetch(`http://${host}/`)).status).toBe(404);
  });

  test('workerman-gateway: the others hear what one says', async () => {
    const host = await serveWorker('workerman-gateway', 7272);
    const [ann, bob] = [await open(`ws://${host}`), await open(`ws://${host}`)];
    ann.socket.send('hi');
    expect(await bob.says(1)).toEqual(['00000000000000000001: hi']);
    ann.socket.terminate();
    expect((await bob.says(2))[1]).toBe('00000000000000000001 left');
    expect(ann.messages).toEqual([]);
    bob.socket.terminate();
  });
});

describe('epoll.md', () => {
  test('fifo: what is written is told, and the process ends by itself', async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'sluice-docs-')), 'fifo');
    const sample = new Sample('fifo', sampleOf('epoll.md', 'fifo'), { FIFO_PATH: path });
    await sample.says(/waiting/);
    writeFileSync(path, 'to whom it may concern\n');
    await sample.says(/events 1: to whom it may concern/);
    writeFileSync(path, 'end\n');
    expect(await sample.ended()).toBe(0);
  });
});

describe('processes.md', () => {
  test('workers: answer on one port, are replaced on SIGHUP, and leave on SIGTERM', async () => {
    const code = sampleOf('processes.md', 'workers').replace('port: 9502', 'port: 0');
    const sample = new Sample('workers', code);
    const [, port] = await sample.says(/listening on (\d+)/);
    expect(await textOf(`http://127.0.0.1:${port}/`)).toMatch(/^worker [01]$/m);
    await sample.says(/ready 0[\s\S]*ready 1|ready 1[\s\S]*ready 0/);
    sample.process.kill('SIGHUP');
    for (const slot of [0, 1]) await sample.says(new RegExp(`worker ${slot} leaves`));
    expect(await textOf(`http://127.0.0.1:${port}/`)).toMatch(/^worker [01]$/m);
    sample.process.kill('SIGTERM');
    expect(await sample.ended()).toBe(0);
  });
});

describe('processes.md, the bus', () => {
  test('bus: workers ask one another, and a room is one room', async () => {
    const code = sampleOf('processes.md', 'bus').replace('port: 9502', 'port: 0');
    const sample = new Sample('bus', code);
    const [, port] = await sample.says(/listening on (\d+)/);
    // Ready are the workers; their lines to each other come right after.
    const others = (): Promise<string> => textOf(`http://127.0.0.1:${port}/others`);
    await expect.poll(others, { timeout: 10_000 }).toMatch(/^worker [01]$/);
    const peers = [];
    for (let i = 0; i < 8; i++) peers.push(await open(`ws://127.0.0.1:${port}/room`));
    peers[0]?.socket.send('to all');
    for (const peer of peers) expect(await peer.says(1)).toEqual(['to all']);
    const sum = await textOf(`http://127.0.0.1:${port}/say`, { method: 'POST', body: 'sum' });
    expect(JSON.parse(sum)).toEqual({ subscribers: 8, dropped: 0, workers: 2 });
    for (const peer of peers) expect(await peer.says(2)).toEqual(['to all', 'sum']);
    for (const { socket } of peers) socket.terminate();
  });
});

describe('client.md', () => {
  let dev: DevProcess;
  let phone = '';
  let origin = '';
  let token = '';

  beforeAll(async () => {
    dev = await DevProcess.create();
    const addresses = await dev.start();
    phone = addresses.phone.replace(/\/$/, '');
    origin = new URL(addresses.consoleLink).origin;
    token = addresses.consoleLink.split('#token=')[1] ?? '';
  });

  afterAll(() => dev.dispose());

  const run = (name: string): Sample => {
    const code = sampleOf('client.md', name).replace('http://127.0.0.1:8080', origin);
    return new Sample(`client-${name}`, code, { TOKEN: token });
  };

  async function customerWrites(page: string, user: string, text: string): Promise<void> {
    const answer = await fetch(`${phone}/simulator/actions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ type: 'text', page, user, text }),
    });
    expect(answer.status).toBe(200);
  }

  test('watch: says its state and every event', async () => {
    const sample = run('watch');
    await sample.says(/state: online/);
    await customerWrites('112233445566778', '7000000000000001', 'hello');
    await sample.says(/message\.received messenger\/112233445566778\/7000000000000001/);
  });

  // Bug: `sluice dev` gave both Pages one token; Meta, and the simulator like it, tells Pages apart by their
  // tokens, so that whatever was sent for the second one was refused as a stranger's.
  test.each(['112233445566778', '998877665544332'])(
    'answer: every message of Page %s is answered',
    async (page) => {
      const sample = run('answer');
      await sample.says(/answering as Ann/);
      await customerWrites(page, '7000000000000002', 'anybody there?');
      const [, outbox] = await sample.says(/stored as (\w+)/);
      await sample.says(new RegExp(`sent ${outbox}`));
    },
  );

  test('store: draws the conversation with its history', async () => {
    const sample = run('store');
    await sample.says(/sees \*/);
    await customerWrites('112233445566778', '7000000000000003', 'bonjour');
    await sample.says(/Zoé Dupont|7000000000000003/);
    await sample.says(/customer: bonjour/);
  });
});

test("README.md: the library's sample runs as it stands", async () => {
  const text = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const block = blocksOf(text, ['ts']).find(({ code }) => code.includes('createServer'));
  if (block === undefined) throw new Error('README.md has no sample');
  expect(block.code).toContain('port: 9502');
  const code = block.code.replace('port: 9502', "host: '127.0.0.1', port: 0");
  const sample = new Sample('readme', `${code}\nconsole.log(\`listening on \${server.port}\`);\n`);
  const [, port] = await sample.says(/listening on (\d+)/);
  expect(await textOf(`http://127.0.0.1:${port}/hello/you`)).toBe('hello you');
  const [ann, guest] = [
    await open(`ws://127.0.0.1:${port}/chat?user=ann`),
    await open(`ws://127.0.0.1:${port}/chat`),
  ];
  ann.socket.send('hi');
  await guest.says(1);
  guest.socket.send('ho');
  for (const { says } of [ann, guest]) expect(await says(2)).toEqual(['ann: hi', 'guest: ho']);
  for (const { socket } of [ann, guest]) socket.terminate();
});
