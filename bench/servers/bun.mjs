// Peer: Bun's own server. Runs in Bun.
//   bun.mjs [--deflate] [--fanout] [--cert=FILE --key=FILE]
import { option, ready } from './options.mjs';

const cert = option('cert');
const isDeflate = option('deflate') !== undefined;
const isFanout = option('fanout') !== undefined;
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  ...(cert === undefined ? {} : { tls: { cert: Bun.file(cert), key: Bun.file(option('key')) } }),
  async fetch(request, server) {
    if (request.method === 'POST') {
      const { id, text } = await request.json();
      return new Response(JSON.stringify({ id, length: text.length }), {
        headers: { 'Content-Type': 'application/json' },
      });
    }
    if (request.headers.get('upgrade') !== null && server.upgrade(request)) return undefined;
    return new Response('hello');
  },
  websocket: {
    perMessageDeflate: isDeflate ? { compress: 'shared', decompress: 'shared' } : false,
    backpressureLimit: 64 * 1024 * 1024,
    open(socket) {
      if (isFanout) socket.subscribe('all');
    },
    message(socket, data) {
      if (isFanout) server.publish('all', data);
      else socket.send(data, isDeflate);
    },
  },
});
ready(server.port, () => Bun.gc(true));
