// Ours, for every table but the plain echo: WebSocket echo or fan-out at '/', GET /hello, POST /json.
//   sluice.mjs [--deflate] [--fanout] [--cert=FILE --key=FILE]
import { createServer } from '../../dist/index.js';
import { option, ready } from './options.mjs';

const cert = option('cert');
const server = createServer({
  host: '127.0.0.1',
  port: 0,
  ...(cert === undefined ? {} : { tls: { cert, key: option('key') } }),
});
const isFanout = option('fanout') !== undefined;
server.websocket('/', {
  ...(option('deflate') === undefined
    ? {}
    : { deflate: { threshold: 0, serverNoContextTakeover: true, shared: true } }),
  open(socket) {
    if (isFanout) socket.subscribe('all');
  },
  message: isFanout
    ? (_socket, data) => {
        server.publish('all', data);
      }
    : (socket, data) => {
        socket.send(data);
      },
});
server.get('/hello', (_request, response) => {
  response.end('hello');
});
server.post('/json', (request, response) => {
  request.onBody(
    (body) => {
      const { id, text } = JSON.parse(body.toString());
      response.header('Content-Type', 'application/json').end(JSON.stringify({ id, length: text.length }));
    },
    () => undefined,
  );
});
ready((await server.listen()).port);
