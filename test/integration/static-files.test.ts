// Files of a folder over real sockets and a real file system: conditions, ranges, codings, what is not
// served, files that change while they are sent.

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { get as httpGet, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { createServer } from '../../lib/server/server.ts';
import {
  IDLE_FILE_MS,
  IDLE_FILES_MAX,
  isOpened,
  OPEN_FILES_MAX,
  type OpenedFile,
} from '../../lib/server/static/static-open-files.ts';
import {
  KEPT_BYTES_MAX,
  KEPT_FILE_BYTES_MAX,
  KEPT_NAMES_MAX,
  StaticStore,
} from '../../lib/server/static/static-store.ts';
import type { Server, StaticFilesOptions } from '../../lib/server/types.ts';
import { HttpClient } from '../support/http-client.ts';
import { until } from '../support/until.ts';

const MIB = 1024 * 1024;
const servers: Server[] = [];
let folder = '';
let outside = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-static-'));
  outside = mkdtempSync(join(tmpdir(), 'sluice-outside-'));
  mkdirSync(join(folder, 'sub'));
  mkdirSync(join(folder, 'empty'));
  mkdirSync(join(folder, '.hidden'));
  writeFileSync(join(folder, 'a.txt'), '0123456789');
  writeFileSync(join(folder, 'nothing.txt'), '');
  writeFileSync(join(folder, 'a b.txt'), 'spaced');
  writeFileSync(join(folder, 'index.html'), '<p>root');
  writeFileSync(join(folder, 'sub', 'index.html'), '<p>sub');
  writeFileSync(join(folder, '.hidden', 'key'), 'secret');
  writeFileSync(join(folder, 'app.js'), 'plain');
  writeFileSync(join(folder, 'app.js.br'), 'brotli');
  writeFileSync(join(folder, 'app.js.gz'), 'gzipped');
  writeFileSync(join(folder, 'large.bin'), patternOf(3 * MIB));
  writeFileSync(join(outside, 'secret.txt'), 'secret');
  symlinkSync(join(outside, 'secret.txt'), join(folder, 'leaving.txt'));
  symlinkSync(outside, join(folder, 'leaving'));
  symlinkSync('a.txt', join(folder, 'staying.txt'));
  execFileSync('mkfifo', [join(folder, 'fifo')]);
});

afterAll(() => {
  for (const each of [folder, outside]) rmSync(each, { recursive: true });
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close({ deadlineMs: 300 })));
});

/** Bytes that tell where they stand. */
function patternOf(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i += 4) bytes.writeUInt32LE(i, i);
  return bytes;
}

async function serve(
  options: StaticFilesOptions = {},
): Promise<{ port: number; failed: string[] }> {
  const failed: string[] = [];
  const server = createServer({ host: '127.0.0.1' });
  servers.push(server);
  server.files('/f/*', folder, {
    freshMs: 0,
    failed: (error, name) => failed.push(`${name}: ${error.message}`),
    ...options,
  });
  return { port: (await server.listen()).port, failed };
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
  readonly text: string;
}

/** node:http sends the path as it is: fetch would tidy it up. */
async function ask(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  method = 'GET',
): Promise<Answer> {
  const request = httpGet({ port, host: '127.0.0.1', path, headers, method, agent: false });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const fields = response.headers as Readonly<Record<string, string | undefined>>;
  return { status: response.statusCode ?? 0, headers: fields, body, text: body.toString() };
}

describe('a file', () => {
  test('comes with type, length, validators and what keeps it from being guessed at', async () => {
    const { port } = await serve();
    const { status, headers, text } = await ask(port, '/f/a.txt');
    expect([status, text]).toEqual([200, '0123456789']);
    expect(headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'content-length': '10',
      'accept-ranges': 'bytes',
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
    });
    expect(headers['etag']).toMatch(/^"[0-9a-z]+-[0-9a-z]+-[0-9a-z]+"$/);
    expect(headers['last-modified']).toMatch(/GMT$/);
    expect(headers['vary']).toBeUndefined();
  });

  test('that is large, or empty, comes whole', async () => {
    const { port } = await serve();
    expect((await ask(port, '/f/large.bin')).body.equals(patternOf(3 * MIB))).toBe(true);
    const { status, headers, text } = await ask(port, '/f/nothing.txt');
    expect([status, headers['content-length'], text]).toEqual([200, '0', '']);
    expect((await ask(port, '/f/a%20b.txt')).text).toBe('spaced');
  });

  test('answers HEAD like GET, without its bytes, and ignores a Range there', async () => {
    const { port } = await serve();
    for (const [path, length] of [
      ['/f/a.txt', '10'],
      ['/f/large.bin', String(3 * MIB)],
    ] as const) {
      const { status, headers, text } = await ask(port, path, { range: 'bytes=0-1' }, 'HEAD');
      expect([status, headers['content-length'], text]).toEqual([200, length, '']);
    }
    expect((await ask(port, '/f/a.txt', {}, 'POST')).headers['allow']).toBe('GET, HEAD, OPTIONS');
  });

  test('has the fields that were asked for', async () => {
    const { port } = await serve({
      cacheControl: 'public, max-age=31536000, immutable',
      headers: { 'Content-Security-Policy': "default-src 'none'" },
    });
    expect((await ask(port, '/f/a.txt')).headers).toMatchObject({
      'cache-control': 'public, max-age=31536000, immutable',
      'content-security-policy': "default-src 'none'",
    });
  });
});

describe('conditions', () => {
  test.each(['/f/a.txt', '/f/large.bin'])(
    'of %s: 304, 412, and the part or the whole',
    async (path) => {
      const { port } = await serve();
      const first = await ask(port, path);
      const etag = first.headers['etag'] ?? '';
      const unchanged = await ask(port, path, { 'if-none-match': `"x", W/${etag}` });
      expect([unchanged.status, unchanged.text, unchanged.headers['etag']]).toEqual([
        304,
        '',
        etag,
      ]);
      expect(unchanged.headers['cache-control']).toBe('no-cache');
      expect(unchanged.headers['content-type']).toBeUndefined();
      const since = first.headers['last-modified'] ?? '';
      expect((await ask(port, path, { 'if-modified-since': since })).status).toBe(304);
      expect((await ask(port, path, { 'if-match': '"x"' })).status).toBe(412);
      const matching = await ask(port, path, { 'if-range': etag, range: 'bytes=2-3' });
      expect([matching.status, matching.body.length]).toEqual([206, 2]);
      const other = await ask(port, path, { 'if-range': '"x"', range: 'bytes=2-3' });
      expect([other.status, other.body.length]).toEqual([200, first.body.length]);
    },
  );

  test('a file that changes has another tag, and its new bytes', async () => {
    const { port } = await serve();
    const name = join(folder, 'changing.txt');
    writeFileSync(name, 'one');
    const first = await ask(port, '/f/changing.txt');
    writeFileSync(name, 'two');
    utimesSync(name, new Date(), new Date(Date.now() + 5000));
    const second = await ask(port, '/f/changing.txt', {
      'if-none-match': first.headers['etag'] ?? '',
    });
    expect([second.status, second.text]).toEqual([200, 'two']);
    rmSync(name);
    expect((await ask(port, '/f/changing.txt')).status).toBe(404);
  });

  test('a file in memory is believed for freshMs', async () => {
    const { port } = await serve({ freshMs: 3_600_000 });
    const name = join(folder, 'believed.txt');
    writeFileSync(name, 'one');
    await ask(port, '/f/believed.txt');
    rmSync(name);
    expect((await ask(port, '/f/believed.txt')).text).toBe('one');
  });
});

describe('ranges', () => {
  test.each(['/f/a.txt', '/f/large.bin'])('of %s', async (path) => {
    const { port } = await serve();
    const whole = (await ask(port, path)).body;
    const size = whole.length;
    for (const [range, first, last] of [
      ['bytes=0-0', 0, 0],
      ['bytes=3-7', 3, 7],
      ['bytes=4-', 4, size - 1],
      ['bytes=-3', size - 3, size - 1],
    ] as const) {
      const { status, headers, body } = await ask(port, path, { range });
      expect([status, headers['content-range']]).toEqual([206, `bytes ${first}-${last}/${size}`]);
      expect(headers['content-length']).toBe(String(last - first + 1));
      expect(body.equals(whole.subarray(first, last + 1))).toBe(true);
    }
    const beyond = await ask(port, path, { range: `bytes=${size}-` });
    expect([beyond.status, beyond.headers['content-range']]).toEqual([416, `bytes */${size}`]);
    const nonsense = await ask(port, path, { range: 'bytes=5-4' });
    expect([nonsense.status, nonsense.body.length]).toEqual([200, size]);
  });

  test.each(['/f/a.txt', '/f/large.bin'])(
    'several of %s are parts with their own heads',
    async (path) => {
      const { port } = await serve();
      const whole = (await ask(port, path)).body;
      const type = (await ask(port, path)).headers['content-type'] ?? '';
      const { status, headers, body } = await ask(port, path, { range: 'bytes=1-2, 5-8, -1' });
      const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(
        headers['content-type'] ?? '',
      )?.[1];
      expect(status).toBe(206);
      expect(headers['content-range']).toBeUndefined();
      expect(headers['content-length']).toBe(String(body.length));
      const size = whole.length;
      const expected = [
        [1, 2],
        [5, 8],
        [size - 1, size - 1],
      ].map(([first = 0, last = 0]) =>
        Buffer.concat([
          Buffer.from(
            `--${boundary}\r\nContent-Type: ${type}\r\nContent-Range: bytes ${first}-${last}/${size}\r\n\r\n`,
          ),
          whole.subarray(first, last + 1),
          Buffer.from('\r\n'),
        ]),
      );
      expect(body.equals(Buffer.concat([...expected, Buffer.from(`--${boundary}--\r\n`)]))).toBe(
        true,
      );
    },
  );
});

describe('stored codings', () => {
  test('go to who takes them, under the type of the file', async () => {
    const { port } = await serve({ precompressed: true });
    const answer = async (accepted: string): Promise<unknown[]> => {
      const { text, headers } = await ask(port, '/f/app.js', { 'accept-encoding': accepted });
      expect(headers['content-type']).toBe('text/javascript; charset=utf-8');
      expect(headers['vary']).toBe('Accept-Encoding');
      return [headers['content-encoding'], text];
    };
    expect(await answer('gzip, br')).toEqual(['br', 'brotli']);
    expect(await answer('gzip')).toEqual(['gzip', 'gzipped']);
    expect(await answer('br;q=0, gzip;q=0')).toEqual([undefined, 'plain']);
    expect(await answer('')).toEqual([undefined, 'plain']);
    const plain = await ask(port, '/f/a.txt', { 'accept-encoding': 'br, gzip' });
    expect([plain.headers['content-encoding'], plain.text]).toEqual([undefined, '0123456789']);
  });

  test('are different representations: other tags', async () => {
    const { port } = await serve({ precompressed: true });
    const tags = await Promise.all(
      ['br', 'gzip', ''].map(async (accepted) => {
        const { headers } = await ask(port, '/f/app.js', { 'accept-encoding': accepted });
        return headers['etag'];
      }),
    );
    expect(new Set(tags).size).toBe(3);
  });

  test('are not looked for unless they are switched on', async () => {
    const { port } = await serve();
    const { text, headers } = await ask(port, '/f/app.js', { 'accept-encoding': 'br' });
    expect([text, headers['vary']]).toEqual(['plain', undefined]);
  });
});

describe('folders', () => {
  test('answer with their index, and send who left the slash out to it', async () => {
    const { port } = await serve();
    expect((await ask(port, '/f/')).text).toBe('<p>root');
    expect((await ask(port, '/f/sub/')).text).toBe('<p>sub');
    const bare = await ask(port, '/f/sub?a=b');
    expect([bare.status, bare.headers['location']]).toEqual([308, './sub/?a=b']);
    expect((await ask(port, '/f/empty/')).status).toBe(404);
  });

  test('answer with nothing when there is no index', async () => {
    const { port } = await serve({ index: false });
    expect((await ask(port, '/f/')).status).toBe(404);
    expect((await ask(port, '/f/sub')).status).toBe(404);
  });
});

describe('what is not served', () => {
  test.each([
    '/f/../a.txt',
    '/f/sub/../a.txt',
    '/f/%2e%2e/a.txt',
    '/f/%2e%2e%2fa.txt',
    '/f/sub/..%2f..%2fa.txt',
    '/f/%252e%252e/a.txt',
    '/f//etc/passwd',
    '/f/%2fetc/passwd',
    '/f/a.txt%00.png',
    '/f/a.txt/',
    '/f/a.txt/b',
    '/f/./a.txt',
    '/f/.hidden/key',
    '/f/%2ehidden/key',
    '/f/none.txt',
    '/f/leaving.txt',
    '/f/leaving/secret.txt',
    '/f/fifo',
    `/f/${'x'.repeat(300)}`,
  ])('%s', async (path) => {
    const { port } = await serve();
    const { status, text } = await ask(port, path);
    expect([status, text]).toEqual([404, 'Not Found\n']);
  });

  test('a broken percent-encoding is no path', async () => {
    const { port } = await serve();
    expect((await ask(port, '/f/%zz')).status).toBe(400);
  });

  test('links inside the folder are followed, links out of it when that is allowed', async () => {
    const { port } = await serve();
    expect((await ask(port, '/f/staying.txt')).text).toBe('0123456789');
    const open = await serve({ symlinks: 'anywhere', dotfiles: true });
    expect((await ask(open.port, '/f/leaving/secret.txt')).text).toBe('secret');
    expect((await ask(open.port, '/f/.hidden/key')).text).toBe('secret');
  });

  test('can be answered by a handler', async () => {
    const { port } = await serve({
      notFound: (request, response) => response.status(404).json({ path: request.path }),
    });
    expect((await ask(port, '/f/none')).text).toBe('{"path":"/f/none"}');
  });

  test('a folder that is not there, a path without a star, and bad fields are refused at once', () => {
    const server = createServer({ host: '127.0.0.1' });
    servers.push(server);
    const refusal = (code: string) => expect.objectContaining({ code });
    expect(() => server.files('/a/*', join(folder, 'none'))).toThrow(refusal('ERR_SYSTEM'));
    expect(() => server.files('/a', folder)).toThrow(refusal('ERR_ARG_RANGE'));
    const headers = { 'X-A': 'a\r\nb' };
    expect(() => server.files('/a/*', folder, { headers })).toThrow(refusal('ERR_ARG_RANGE'));
    expect(() => server.files('/a/*', folder, { freshMs: -1 })).toThrow(refusal('ERR_ARG_RANGE'));
  });
});

describe('a file that is being sent', () => {
  const startSlowly = async (name: string): Promise<{ client: HttpClient; failed: string[] }> => {
    writeFileSync(join(folder, name), patternOf(64 * MIB));
    const { port, failed } = await serve();
    const client = new HttpClient(port);
    client.send(`GET /f/${name} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await until('the first bytes', () => client.receivedBytes > 0);
    client.socket.pause();
    return { client, failed };
  };

  test('and shrinks is cut: the client sees that the rest is missing', async () => {
    const { client, failed } = await startSlowly('shrinking.bin');
    truncateSync(join(folder, 'shrinking.bin'), 1000);
    client.socket.resume();
    await until('the end', () => client.isClosed || client.hasEnded);
    expect(client.receivedBytes).toBeLessThan(64 * MIB);
    expect(failed).toEqual(['shrinking.bin: The file became shorter.']);
    client.destroy();
  });

  test('and is written over is cut, too', async () => {
    const { client, failed } = await startSlowly('changing.bin');
    utimesSync(join(folder, 'changing.bin'), new Date(), new Date(Date.now() + 9000));
    client.socket.resume();
    await until('the end', () => client.isClosed || client.hasEnded);
    expect(client.receivedBytes).toBeLessThan(64 * MIB);
    expect(failed).toEqual(['changing.bin: The file was changed.']);
    client.destroy();
  });

  test('and grows has the length that was announced', async () => {
    const { client, failed } = await startSlowly('growing.bin');
    writeFileSync(join(folder, 'growing.bin'), 'more', { flag: 'a' });
    client.socket.resume();
    await until('all bytes', () => client.receivedBytes >= 64 * MIB);
    expect(client.text).toContain(`Content-Length: ${64 * MIB}\r\n`);
    expect(failed).toEqual([]);
    client.destroy();
  });

  test('to a client that leaves gives its descriptor back', async () => {
    const server = createServer({ host: '127.0.0.1' });
    servers.push(server);
    const { StaticFiles } = await import('../../lib/server/static/static-files.ts');
    const files = new StaticFiles(folder, {}, { now: Date.now });
    writeFileSync(join(folder, 'left.bin'), patternOf(64 * MIB));
    server.get('/f/*', (request, response) => files.handle(request, response));
    const { port } = await server.listen();
    const client = new HttpClient(port).send('GET /f/left.bin HTTP/1.1\r\nHost: a\r\n\r\n');
    await until('the first bytes', () => client.receivedBytes > 0);
    client.socket.pause();
    expect([files.store.large.count, files.store.large.idleCount]).toEqual([1, 0]);
    client.reset();
    await until('the descriptor', () => files.store.large.idleCount === 1);
  });
});

describe('memory', () => {
  const storeOf = (freshMs = 60_000): StaticStore =>
    new StaticStore({
      root: folder,
      freshMs,
      leavesRoot: false,
      clock: { now: Date.now },
      failed: (error) => expect.fail(String(error)),
    });

  test.each([
    [KEPT_FILE_BYTES_MAX - 1, true],
    [KEPT_FILE_BYTES_MAX, true],
    [KEPT_FILE_BYTES_MAX + 1, false],
  ])('keeps a file of %i bytes: %s', async (size, isKept) => {
    writeFileSync(join(folder, 'kept.bin'), Buffer.alloc(size));
    const store = storeOf();
    const file = await store.find('kept.bin', false);
    expect(store.keptBytes).toBe(isKept ? size : 0);
    if (typeof file === 'object' && isOpened(file)) store.release(file);
    expect(store.large.idleCount).toBe(isKept ? 0 : 1);
    expect(store.large.count).toBe(isKept ? 0 : 1);
  });

  test('is bounded: the file that was looked up longest ago goes', async () => {
    const count = KEPT_BYTES_MAX / KEPT_FILE_BYTES_MAX + 3;
    const names = Array.from({ length: count }, (_, i) => `bounded-${i}.bin`);
    for (const name of names) writeFileSync(join(folder, name), Buffer.alloc(KEPT_FILE_BYTES_MAX));
    const store = storeOf();
    for (const name of names) await store.find(name, false);
    expect(store.keptBytes).toBe(KEPT_BYTES_MAX);
    expect(store.peek('bounded-0.bin')).toBeUndefined();
    expect(store.peek(names.at(-1) ?? '')).toBeDefined();
    for (const name of names) rmSync(join(folder, name));
  });

  describe('of descriptors', () => {
    const sparse = (count: number): string[] =>
      Array.from({ length: count }, (_, i) => {
        const name = `sparse-${i}.bin`;
        writeFileSync(join(folder, name), '');
        truncateSync(join(folder, name), KEPT_FILE_BYTES_MAX + 1);
        return name;
      });
    const openAll = async (store: StaticStore, names: readonly string[]): Promise<OpenedFile[]> => {
      const opened: OpenedFile[] = [];
      for (const name of names) {
        const file = await store.find(name, false);
        if (typeof file === 'object' && isOpened(file)) opened.push(file);
      }
      return opened;
    };

    test('one serves all who send the same file, and is there for the next one', async () => {
      const store = storeOf();
      const [first, second] = await openAll(store, ['large.bin', 'large.bin']);
      expect(first).toBe(second);
      expect(store.large.count).toBe(1);
      for (const file of [first, second]) if (file !== undefined) store.release(file);
      expect(store.large.idleCount).toBe(1);
      const again = store.peek('large.bin');
      expect(again).toBe(first);
      if (typeof again === 'object' && isOpened(again)) store.release(again);
    });

    test('an open file that is replaced stays whole for its readers', async () => {
      const [name = ''] = sparse(1);
      const store = storeOf(0);
      const [before] = await openAll(store, [name]);
      rmSync(join(folder, name));
      sparse(1);
      const [after] = await openAll(store, [name]);
      expect(after).not.toBe(before);
      expect(store.large.count).toBe(2);
      if (before !== undefined) store.release(before);
      expect(store.large.count).toBe(1);
      if (after !== undefined) store.release(after);
      store.large.drop(name);
      expect(store.large.count).toBe(0);
    });

    test('as many as may be are open at once, and one more is busy', async () => {
      const store = storeOf();
      const names = sparse(OPEN_FILES_MAX + 1);
      const opened = await openAll(store, names);
      expect(opened).toHaveLength(OPEN_FILES_MAX);
      expect(await store.find(names.at(-1) ?? '', false)).toBe('busy');
      for (const file of opened) store.release(file);
      expect([store.large.count, store.large.idleCount]).toEqual([IDLE_FILES_MAX, IDLE_FILES_MAX]);
      const [late] = await openAll(store, names.slice(-1));
      expect(late).toBeDefined();
      if (late !== undefined) store.release(late);
      for (const name of names) rmSync(join(folder, name));
    });

    test('an idle one is closed after a while', async () => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      const store = storeOf();
      const [file] = await openAll(store, ['large.bin']);
      if (file !== undefined) store.release(file);
      vi.advanceTimersByTime(IDLE_FILE_MS - 1);
      expect(store.large.count).toBe(1);
      vi.advanceTimersByTime(1);
      expect(store.large.count).toBe(0);
      vi.useRealTimers();
    });
  });

  test('remembers a bounded number of names that are not there', async () => {
    const store = storeOf();
    for (let i = 0; i < KEPT_NAMES_MAX + 10; i++) await store.find(`none-${i}`, true);
    expect(store.keptNames).toBe(KEPT_NAMES_MAX);
    await store.find('free-choice', false);
    expect(store.peek('free-choice')).toBeUndefined();
  });
});
