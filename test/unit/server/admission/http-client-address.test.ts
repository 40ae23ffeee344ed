// Who the client is behind proxies.

import { expect, test } from 'vitest';
import { TrustedProxies } from '../../../../lib/server/admission/http-client-address.ts';
import { connectHttp, get } from '../http/http-fixture.ts';

const PROXY = '10.1.2.3';
const MANY = Array.from({ length: 17 }, () => '10.0.0.1').join(',');

test.each<[string, string | undefined, string]>([
  ['192.0.2.1', '203.0.113.9', '192.0.2.1'],
  [PROXY, undefined, PROXY],
  [PROXY, '203.0.113.9', '203.0.113.9'],
  [`::ffff:${PROXY}`, '203.0.113.9', '203.0.113.9'],
  ['::1', '2001:db8::9', '2001:db8::9'],
  [PROXY, '1.1.1.1, 203.0.113.9, 10.9.9.9', '203.0.113.9'],
  [PROXY, '10.0.0.1, 10.9.9.9', '10.0.0.1'],
  [PROXY, '1.1.1.1, 203.0.113.9:4711', '203.0.113.9'],
  [PROXY, '[2001:db8::9]:4711, 10.9.9.9:80', '2001:db8::9'],
  [PROXY, 'nonsense', PROXY],
  [PROXY, 'nonsense, 10.9.9.9', '10.9.9.9'],
  [PROXY, '203.0.113.9,', PROXY],
  [PROXY, MANY, '10.0.0.1'],
  [PROXY, `${MANY}, 203.0.113.9`, '203.0.113.9'],
  [PROXY, `${','.repeat(100)}203.0.113.9`, '203.0.113.9'],
])('peer %s with X-Forwarded-For %j is %s', (peer, forwarded, client) => {
  const proxies = new TrustedProxies(['10.0.0.0/8', '::1']);
  expect(proxies.clientAddress(peer, forwarded)).toBe(client);
});

test('nobody is believed by default', () => {
  expect(new TrustedProxies([]).clientAddress(PROXY, '203.0.113.9')).toBe(PROXY);
});

test.each(['x', '10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/8/9x', '10.0.0/8'])(
  '%j is no block',
  (block) => {
    expect(() => new TrustedProxies([block])).toThrow(
      expect.objectContaining({ code: 'ERR_ARG_RANGE' }),
    );
  },
);

test('a request behind a trusted proxy has its client as ip', () => {
  const seen: string[] = [];
  const { connection } = connectHttp(
    (router) =>
      router.add('GET', '/', (request, response) => {
        seen.push(request.ip);
        response.end();
      }),
    { trustedProxies: new TrustedProxies(['192.0.2.0/24']) },
  );
  connection.feed(get('/', 'X-Forwarded-For: 1.2.3.4', 'X-Forwarded-For: 203.0.113.9'));
  expect(seen).toEqual(['203.0.113.9']);
});
