// Whether a port is free, and what a host's name means. The engine's listeners carry SO_REUSEPORT, so that the
// kernel would let two programs share a port in silence.

import { createServer as createProbe } from 'node:net';
import { SluiceError } from '../../base/errors.ts';

/**
 * Binds and listens for a moment without SO_REUSEPORT.
 * @returns the numeric address
 * @throws SluiceError (rejects) ERR_SYSTEM with errno when it is taken or cannot be bound
 */
export function probeAddress(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const probe = createProbe();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      const text = `${host}:${port} cannot be listened on: ${error.code ?? error.message}.`;
      const { errno = 0, syscall = 'listen' } = error;
      reject(new SluiceError('ERR_SYSTEM', text, { errno, syscall, cause: error }));
    });
    probe.listen({ host, port, exclusive: true }, () => {
      const address = probe.address();
      const resolved = typeof address === 'object' && address !== null ? address.address : host;
      probe.close(() => resolve(resolved));
    });
  });
}
