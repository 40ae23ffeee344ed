// The handshake in the program's own hands: the key is checked, the answer computed, a token wanted.
import { createHash } from 'node:crypto';
import { Server } from 'sluice/swoole';

const server = new Server('127.0.0.1', 0);
server.on('start', ({ port }) => console.log(`listening on ${port}`));
server.on('handshake', (request, response) => {
  const key = request.header['sec-websocket-key'];
  if (!/^[+/0-9A-Za-z]{21}[AQgw]==$/.test(key) || Buffer.from(key, 'base64').length !== 16) {
    response.end();
    return false;
  }
  if (request.cookie.token !== 'let-me-in') {
    response.status(401);
    response.end('who are you?');
    return false;
  }
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  const headers = {
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Accept': accept.digest('base64'),
    'Sec-WebSocket-Version': '13',
  };
  const protocols = request.header['sec-websocket-protocol'];
  if (protocols !== undefined) headers['Sec-WebSocket-Protocol'] = protocols;
  for (const [name, value] of Object.entries(headers)) response.header(name, value);
  response.status(101);
  response.end();
  server.defer(() => server.push(request.fd, 'in'));
  return true;
});
server.on('message', (ws, frame) => ws.push(frame.fd, frame.data));
server.start();
