// The tables of docs/benchmarks.md, apart from relay, latency and memory: which load, which servers,
// which target. Targets are those of the issue: first of all peers everywhere, and parts of the floor.

import { rowsFor } from './rows.mjs';

/** The peers: ours is to be first of them in every cell. Others are for information. */
const PEERS = ['ws', 'node:http', 'Bun', 'Deno', 'nginx', 'uWebSockets.js'];

const first = (rival) => (PEERS.includes(rival) ? 1 : undefined);

/** Parts of what a server without a runtime makes, by its name. */
const orPartOf = (parts) => (rival) => parts[rival] ?? first(rival);

const echo = (connections, bytes, inflight, type) => ({
  program: 'echo_load',
  args: (port) => [port, '/', connections, bytes, inflight, type],
});

const sockets = (mode, ...flags) => ({ program: 'ws_load', args: (port) => [port, mode, ...flags] });

const http = (method, path, connections, body) => ({
  program: 'http_load',
  args: (port) => [port, method, path, connections, 1, body],
});

const CXX = 'uWebSockets C++';

const ECHO = [
  ['32 B × 1 in flight, 100 connections, text', echo(100, 32, 1, 'text'), { floor: 0.98 }],
  ['32 B × 16 in flight, 100 connections, text', echo(100, 32, 16, 'text'), { floor: 0.8 }],
  ['32 B × 1 in flight, 100 connections, binary', echo(100, 32, 1, 'binary'), { floor: 0.98 }],
  ['32 B × 16 in flight, 100 connections, binary', echo(100, 32, 16, 'binary'), { floor: 0.9 }],
  ['1 KiB × 1 in flight, 500 connections, text', echo(500, 1024, 1, 'text'), { [CXX]: 1 }],
  ['64 KiB × 1 in flight, 50 connections, binary', echo(50, 65_536, 1, 'binary'), { [CXX]: 0.9 }],
  ['64 KiB × 1 in flight, 50 connections, text', echo(50, 65_536, 1, 'text'), { [CXX]: 0.75 }],
].map(([what, load, parts]) => ({
  what,
  load,
  needs: {},
  can: ['echo', 'floor'],
  unit: 'messages',
  target: orPartOf(parts),
}));

const TLS = [
  ['32 B × 1 in flight, 100 connections', sockets('echo', '--tls')],
  ['32 B × 16 in flight, 100 connections', sockets('echo', '--tls', '--inflight=16')],
  ['4 KiB × 1 in flight, 100 connections', sockets('echo', '--tls', '--bytes=4096')],
].map(([what, load]) => ({ what, load, needs: { tls: true }, can: ['tls'], unit: 'messages', target: first }));

const DEFLATE = [
  ['128 B of JSON', sockets('echo', '--deflate', '--bytes=128')],
  ['4 KiB of JSON', sockets('echo', '--deflate', '--bytes=4096')],
].map(([what, load]) => ({ what, load, needs: { deflate: true }, can: ['deflate'], unit: 'messages', target: first }));

const FANOUT = [
  ['16 senders to 100', sockets('fanout', '--connections=100', '--senders=16')],
  ['1 sender to 1,000', sockets('fanout', '--connections=1000')],
  ['1 sender to 10,000', sockets('fanout', '--connections=10000')],
].map(([what, load]) => ({ what, load, needs: { fanout: true }, can: ['fanout'], unit: 'messages', target: first }));

const HANDSHAKES = [
  ['plain, 50 at once', {}, 'echo', sockets('handshake', '--connections=50')],
  ['TLS 1.3, ECDSA P-256, 20 at once', { tls: true }, 'tls', sockets('handshake', '--connections=20', '--tls')],
].map(([what, needs, ability, load]) => ({ what, load, needs, can: [ability], unit: 'messages', target: first }));

const HTTP = [
  ['GET, 100 connections', ['http', 'get'], http('GET', '/hello', 100, 0)],
  ['POST of 400 B JSON, 100 connections', ['http'], http('POST', '/json', 100, 400)],
].map(([what, can, load]) => ({ what, load, needs: {}, can, unit: 'requests', target: first }));

/** Every table by its name: title, what is counted, the loads. */
export const TABLES = {
  echo: { title: 'Echo', unit: 'messages', shapes: ECHO },
  tls: { title: 'Echo over TLS 1.3', unit: 'messages', shapes: TLS },
  deflate: {
    title: 'Echo with permessage-deflate, no context takeover',
    unit: 'messages',
    shapes: DEFLATE,
    note: 'Every message is compressed, each server at its own default level. Deno does not take compression as a server.',
  },
  fanout: { title: 'Fan-out of 32 B', unit: 'deliveries', shapes: FANOUT },
  handshakes: { title: 'Connect, upgrade, close', unit: 'handshakes', shapes: HANDSHAKES },
  http: {
    title: 'HTTP',
    unit: 'requests',
    shapes: HTTP,
    note: 'One request in flight per connection. The POST is parsed as JSON and answered with JSON by every JavaScript server.',
  },
};

/** Measures one table. @param all what contenders() gave, with the floor for the echo */
export async function measureTable(name, all, options) {
  const { title, unit, shapes, note } = TABLES[name];
  const rows = [];
  for (const shape of shapes) rows.push(...(await rowsFor(shape, all, options)));
  return { name, title, unit, note, rows };
}
