// Programs in the manner of Swoole's manual, as processes of their own that import `sluice/swoole` by its name.
// The first is the one of the contract, with another port.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { blocksOf } from '../support/document-blocks.ts';
import { PROGRAMS, Program } from '../support/swoole-program.ts';
import { until } from '../support/until.ts';
import { TestClient } from '../support/websocket-client.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, () => resolve()));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Inside the package, so that a program there may import it by its name. @returns the folder */
function written(name: string, code: string): string {
  const folder = join(ROOT, 'build', 'test-swoole');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.mjs`), code);
  return folder;
}

async function openOnceItListens(url: string): Promise<TestClient> {
  let client = new TestClient(url);
  let isOpen = false;
  const watch = (): void => {
    client.ws.on('open', () => {
      isOpen = true;
    });
  };
  watch();
  await until('a server that listens', () => {
    if (client.closed === undefined) return isOpen;
    client = new TestClient(url);
    watch();
    return false;
  });
  return client;
}

test('contract.md section 5: the program as it stands', async () => {
  const port = await freePort();
  const code = readFileSync(join(PROGRAMS, 'contract.mjs'), 'utf8').replace('9502', `${port}`);
  const program = new Program(join(written('contract', code), 'contract.mjs'));
  const client = await openOnceItListens(`ws://127.0.0.1:${port}/`);
  client.ws.send('to and fro');
  expect(await client.hears(2)).toEqual(['hello, welcome\n', 'server: to and fro']);
  client.ws.close();
  await program.says(/client-\d+ is closed/);
});

test('docs/swoole.md: its sample, with another port', async () => {
  const [block] = blocksOf(readFileSync(join(ROOT, 'docs/swoole.md'), 'utf8'), ['js']);
  const code = block?.code.replace('9502', '0') ?? '';
  const program = await Program.start('chat', written('chat', code));
  const client = await program.open('/?name=ann');
  client.ws.send('hi all');
  expect(await client.hears(2)).toEqual(['hello, ann', 'hi all']);
  const page = await fetch(`http://${program.origin}/`);
  expect(await page.text()).toBe('<h1>2 here</h1>');
  client.ws.close();
  await program.says(/1 has left/);
});

describe('programs', () => {
  test('chat room: everybody but the speaker hears, and who leaves is missed', async () => {
    const program = await Program.start('chat-room');
    const ann = await program.open('/?name=ann');
    const ben = await program.open('/?name=ben');
    await ann.hears(1);
    ben.ws.send('hi');
    expect(await ann.hears(2)).toEqual(['ben is here', 'ben: hi']);
    ann.ws.close();
    expect(await ben.hears(1)).toEqual(['ann has left']);
  });

  test('one port: a request reaches all WebSockets', async () => {
    const program = await Program.start('one-port');
    const clients = [await program.open(), await program.open()];
    const form = new URLSearchParams({ text: 'to äll' });
    const answer = await fetch(`http://${program.origin}/say`, { method: 'POST', body: form });
    expect(await answer.json()).toEqual({ reached: 2 });
    expect(answer.headers.get('set-cookie')).toBe('last=2; Path=/');
    for (const client of clients) expect(await client.hears(1)).toEqual(['to äll']);
    clients[0]?.ws.send('x');
    expect((await clients[0]?.hears(2))?.[1]).toBe('{"got":"x"}');
    expect((await fetch(`http://${program.origin}/`)).status).toBe(404);
  });

  test('handshake: a token is wanted, a protocol answered', async () => {
    const program = await Program.start('handshake');
    expect((await program.open()).refusedWith).toBe(401);
    const headers = { cookie: 'token=let-me-in' };
    const client = await program.open('/', ['chat'], { headers });
    expect([client.ws.protocol, await client.hears(1)]).toEqual(['chat', ['in']]);
    client.ws.send('echo');
    expect((await client.hears(2))[1]).toBe('echo');
  });

  test('timers: three ticks and a farewell', async () => {
    const program = await Program.start('timers');
    await program.says(/worker 0/);
    const client = await program.open();
    expect(await client.ended()).toEqual({ code: 1000, reason: 'bye' });
    expect(client.received).toEqual(['tick 1', 'tick 2', 'tick 3']);
  });

  test('heartbeat: the silent one is let go, the spared one is not', async () => {
    const program = await Program.start('heartbeat');
    const spared = await program.open();
    spared.ws.send('spare me');
    expect(await spared.hears(1)).toEqual(['spared: true']);
    const silent = await program.open();
    await silent.ended();
    await program.says(/\d+ was let go/);
    expect(spared.closed).toBeUndefined();
  });

  test('pages: all are listed, and a stale number is nobody', async () => {
    const program = await Program.start('pages');
    const first = await program.open();
    first.ws.close();
    await program.says(/one has left/);
    const clients = [await program.open(), await program.open(), await program.open()];
    clients[0]?.ws.send('?');
    const [answer] = (await clients[0]?.hears(1)) ?? [];
    expect(JSON.parse(String(answer))).toEqual({
      pages: [2, 1],
      wasPushed: false,
      error: 1005,
      status: 3,
      ip: '127.0.0.1',
    });
  });
});
