// Peer: uWebSockets.js from a folder that is given (it is not in the npm registry).
//   uws.mjs DIR [--deflate] [--fanout] [--cert=FILE --key=FILE]
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { option, ready } from './options.mjs';

const uws = createRequire(import.meta.url)(resolve(process.argv[2]));
const cert = option('cert');
const isDeflate = option('deflate') !== undefined;
const isFanout = option('fanout') !== undefined;
const app =
  cert === undefined
    ? uws.App()
    : uws.SSLApp({ cert_file_name: cert, key_file_name: option('key') });

app.ws('/*', {
  compression: isDeflate ? uws.SHARED_COMPRESSOR : uws.DISABLED,
  maxPayloadLength: 16 * 1024 * 1024,
  maxBackpressure: 64 * 1024 * 1024,
  open: (socket) => {
    if (isFanout) socket.subscribe('all');
  },
  message: (socket, data, isBinary) => {
    if (isFanout) app.publish('all', data, isBinary);
    else socket.send(data, isBinary, isDeflate);
  },
});
app.get('/hello', (response) => {
  response.writeHeader('Content-Type', 'text/plain; charset=utf-8').end('hello');
});
app.post('/json', (response) => {
  response.onAborted(() => undefined);
  response.collectBody(1024 * 1024, (body) => {
    const { id, text } = JSON.parse(Buffer.from(body).toString());
    response
      .writeHeader('Content-Type', 'application/json')
      .end(JSON.stringify({ id, length: text.length }));
  });
});
app.listen('127.0.0.1', 0, (socket) => ready(uws.us_socket_local_port(socket)));
