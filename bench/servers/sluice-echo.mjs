// Ours: echo through createServer, handler and socket.send as a user writes them.
import { createServer } from '../../dist/index.js';

const server = createServer({ host: '127.0.0.1', port: 0 });
server.websocket('/', {
  message(socket, data) {
    socket.send(data);
  },
});
const { port } = await server.listen();
console.log(JSON.stringify({ port }));
