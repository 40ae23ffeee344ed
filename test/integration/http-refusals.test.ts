// Every form of the refusal tables over a real socket: the exact status, the announced close, and the
// request that stands behind it never reaches a handler.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HTTP_FAULTS } from '../../lib/http/faults.ts';
import { createServer } from '../../lib/server/server.ts';
import type { Server } from '../../lib/server/types.ts';
import { HttpClient } from '../support/http-client.ts';
import {
  chunked,
  type FaultName,
  REFUSED_CHUNKS,
  REFUSED_FRAMINGS,
  REFUSED_HEADS,
  REFUSED_HIDING,
  REFUSED_SMUGGLING,
  SMUGGLED,
} from '../support/refused-requests.ts';
import { until } from '../support/until.ts';

let server: Server;
const dispatched: string[] = [];

beforeAll(async () => {
  server = createServer({ host: '127.0.0.1' });
  for (const method of ['GET', 'POST']) {
    server.route(method, '/*', async (request, response) => {
      dispatched.push(request.path);
      response.end(await request.bytes());
    });
  }
  await server.listen();
});

afterAll(() => server.close({ deadlineMs: 300 }));

async function refuses(input: string, fault: FaultName): Promise<void> {
  const before = dispatched.length;
  const client = new HttpClient(server.port).send(input + SMUGGLED);
  const text = await client.ended();
  expect(client.statuses).toEqual([HTTP_FAULTS[fault].status]);
  expect(text).toContain('\r\nConnection: close\r\n');
  expect(text.endsWith(`${HTTP_FAULTS[fault].message}\n`)).toBe(true);
  client.socket.end();
  await until('the close', () => client.isClosed);
  expect(client.errorCode).toBeUndefined();
  expect(dispatched.slice(before)).not.toContain('/smuggled');
}

describe('is refused over a real socket:', () => {
  test.each(REFUSED_HEADS)('%s', (_name, input, fault) => refuses(input, fault));
  test.each(REFUSED_FRAMINGS)('framing by %s', (_name, input, fault) => refuses(input, fault));
  test.each(REFUSED_SMUGGLING)('smuggling by %s', (_name, input, fault) => refuses(input, fault));
  test.each([...REFUSED_CHUNKS, ...REFUSED_HIDING])(
    'a chunked body with %s',
    (_name, body, fault) => refuses(chunked(body), fault),
  );
});

test('a proper pair of requests is dispatched by the same server', async () => {
  const before = dispatched.length;
  const client = new HttpClient(server.port);
  client.send(`${chunked('5\r\nhello\r\n0\r\nX-Trailer: y\r\n\r\n')}${SMUGGLED}`);
  await until('two answers', () => client.statuses.length === 2);
  expect(dispatched.slice(before)).toEqual(['/', '/smuggled']);
  client.destroy();
});
