// Somebody else's listener is seen even if it shares its port; names become numbers.

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { probeAddress } from '../../../lib/net/port-probe.ts';

test('a free port is left free, and the host becomes numeric', async () => {
  expect(await probeAddress('127.0.0.1', 0)).toBe('127.0.0.1');
  expect(await probeAddress('localhost', 0)).toMatch(/^(127\.0\.0\.1|::1)$/);
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await expect(probeAddress('127.0.0.1', port)).rejects.toMatchObject({
    code: 'ERR_SYSTEM',
    syscall: 'listen',
    message: `127.0.0.1:${port} cannot be listened on: EADDRINUSE.`,
  });
  server.close();
  await once(server, 'close');
  expect(await probeAddress('127.0.0.1', port)).toBe('127.0.0.1');
});

test('an address that is not of this machine is refused with its errno', async () => {
  await expect(probeAddress('192.0.2.1', 0)).rejects.toMatchObject({ errno: -99 });
});
