// What `new Worker('websocket://0.0.0.0:2000')` means: a protocol and a place. Opens nothing.

import { SluiceError } from '../../base/errors.ts';

export type Place =
  | { readonly kind: 'port'; readonly host: string; readonly port: number }
  | { readonly kind: 'path'; readonly path: string };

export interface SocketName {
  /** In lower case: 'tcp', 'unix', 'websocket', 'http', 'text', 'frame', 'udp', 'ssl', or another. */
  readonly scheme: string;
  readonly place: Place;
}

const NAME = /^([a-z][a-z0-9+.-]*):\/\/(.+)$/i;
const HOST_AND_PORT = /^(?:\[([0-9a-f:.]+)\]|([^:[\]/]+)):([0-9]{1,5})\/?$/i;
const PORT_MAX = 65_535;

/** @throws SluiceError ERR_ARG_RANGE for a name that says no place */
export function parseSocketName(name: string): SocketName {
  const [, scheme = '', rest = ''] = NAME.exec(name) ?? [];
  const lower = scheme.toLowerCase();
  if (lower === 'unix') return { scheme: lower, place: { kind: 'path', path: rest } };
  const match = HOST_AND_PORT.exec(rest);
  const port = Number(match?.[3]);
  if (match === null || port > PORT_MAX) {
    const text = `${JSON.stringify(name)} is not like websocket://0.0.0.0:2000 or unix:///path.`;
    throw new SluiceError('ERR_ARG_RANGE', text);
  }
  return { scheme: lower, place: { kind: 'port', host: match[1] ?? match[2] ?? '', port } };
}
