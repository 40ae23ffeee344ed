// Ours, for what an idle connection costs: echo, and a line of memory for each line on stdin, after
// a collection. Needs --expose-gc.
import { createInterface } from 'node:readline';
import { createServer } from '../../dist/index.js';

const server = createServer({ host: '127.0.0.1', port: 0, backlog: 4096 });
server.websocket('/', {
  idleTimeoutMs: 600_000,
  message(socket, data) {
    socket.send(data);
  },
});
const { port } = await server.listen();
console.log(JSON.stringify({ port }));
createInterface({ input: process.stdin }).on('line', () => {
  globalThis.gc();
  globalThis.gc();
  const { rss, heapUsed, external } = process.memoryUsage();
  const connections = server.connectionCount;
  console.log(JSON.stringify({ rss, heapUsed, external, connections }));
});
