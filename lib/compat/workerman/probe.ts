// Finds out whether a port is free. The engine's listeners share ports (SO_REUSEPORT), which two programs
// should not do unawares.

import { createServer } from 'node:net';
import type { Place } from './socket-name.ts';

/** @throws the error of Node's listen(), e.g. EADDRINUSE */
export async function probePlace(place: Place): Promise<void> {
  // The engine itself replaces the file of a dead server, and refuses that of a living one.
  if (place.kind === 'path' || place.port === 0) return;
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject);
    probe.listen({ port: place.port, host: place.host, exclusive: true }, resolve);
  });
  await new Promise((resolve) => probe.close(resolve));
}
