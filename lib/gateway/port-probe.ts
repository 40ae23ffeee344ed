// Whether somebody listens on an address already. Our listeners carry SO_REUSEPORT, so the kernel would let
// a second gateway share the port in silence and split the webhooks between two journals.

import { createServer } from 'node:net';
import { SluiceError } from '../base/errors.ts';

/**
 * Binds and listens for a moment without SO_REUSEPORT. Port 0 is always free.
 * @throws SluiceError ERR_SYSTEM with errno when the address is taken or cannot be bound
 */
export function ensureAddressFree(host: string, port: number): Promise<void> {
  if (port === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      const message = `${host}:${port} cannot be listened on: ${error.code ?? error.message}.`;
      const { errno = 0, syscall = 'listen' } = error;
      reject(new SluiceError('ERR_SYSTEM', message, { errno, syscall, cause: error }));
    });
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve()));
  });
}
