// Whether a port is free, and what a host's name means. Our listeners carry SO_REUSEPORT, so that the kernel
// would let two programs share a port in silence.

import { createServer } from 'node:net';
import { SluiceError } from '../base/errors.ts';

/**
 * Binds and listens for a moment without SO_REUSEPORT. What is in TIME_WAIT does not hinder it.
 * @param host numeric, or a name that the system resolves
 * @param port 0: any, which is always free
 * @returns the numeric address
 * @throws SluiceError (rejects) ERR_SYSTEM with errno when the address is taken or cannot be bound
 */
export function probeAddress(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      const text = `${host}:${port} cannot be listened on: ${error.code ?? error.message}.`;
      const { errno = 0, syscall = 'listen' } = error;
      reject(new SluiceError('ERR_SYSTEM', text, { errno, syscall, cause: error }));
    });
    probe.listen({ host, port, exclusive: true }, () => {
      const address = probe.address();
      const numeric = typeof address === 'object' && address !== null ? address.address : host;
      probe.close(() => resolve(numeric));
    });
  });
}
