// Peer: ws on node:http or node:https, and node:http alone for the HTTP tables, as their users write it.
//   ws.mjs [--deflate] [--fanout] [--cert=FILE --key=FILE]
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { WebSocketServer } from 'ws';
import { option, ready } from './options.mjs';

function answer(request, response) {
  if (request.method === 'GET') {
    response.setHeader('Content-Type', 'text/plain; charset=utf-8');
    response.end('hello');
    return;
  }
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const { id, text } = JSON.parse(Buffer.concat(chunks).toString());
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ id, length: text.length }));
  });
}

const cert = option('cert');
const http =
  cert === undefined
    ? createServer(answer)
    : createSecureServer({ cert: readFileSync(cert), key: readFileSync(option('key')) }, answer);
const server = new WebSocketServer({
  server: http,
  perMessageDeflate:
    option('deflate') === undefined ? false : { threshold: 0, serverNoContextTakeover: true },
});
const isFanout = option('fanout') !== undefined;
server.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => {
    if (!isFanout) socket.send(data, { binary: isBinary });
    else for (const client of server.clients) client.send(data, { binary: isBinary });
  });
});
http.listen(0, '127.0.0.1', 4096, () => ready(http.address().port));
