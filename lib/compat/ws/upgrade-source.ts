// Where upgrade requests come from: a server of Node's that the program has, or a port of our own.

import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ResolvedOptions } from './server-options.ts';

/** Events of a source. Calls come at any time after the source was made, until detach(). */
export interface UpgradeSink {
  onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  onListening(): void;
  onError(error: Error): void;
}

export interface UpgradeSource {
  address(): AddressInfo | string | null;
  /** No more calls come. A server of our own stops listening, and calls back when all is gone. */
  detach(closed?: () => void): void;
}

type NodeServer = NonNullable<ResolvedOptions['server']>;

/** Requests of a server that belongs to the program. */
export function upgradesOf(server: NodeServer, sink: UpgradeSink): UpgradeSource {
  const onUpgrade = sink.onUpgrade.bind(sink);
  const onListening = sink.onListening.bind(sink);
  const onError = sink.onError.bind(sink);
  server.on('listening', onListening).on('error', onError).on('upgrade', onUpgrade);
  return {
    address: () => server.address(),
    detach(): void {
      server.off('listening', onListening).off('error', onError).off('upgrade', onUpgrade);
    },
  };
}
