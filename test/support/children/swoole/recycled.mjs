// A worker is replaced after so many requests; the processes are somebody else's where root starts them.
import { Server } from 'sluice/swoole';

const server = new Server('127.0.0.1', 0);
const user = process.getuid() === 0 ? { user: 'nobody' } : {};
server.set({ max_request: 3, max_wait_time: 1, ...user });
server.on('start', ({ port }) => console.log(`listening on ${port}`));
server.on('workerStart', (ws, id) =>
  console.log(`worker ${id} is ${ws.worker_pid} of ${process.getuid()}`),
);
server.on('request', (_request, response) => response.end(`${process.pid}`));
server.start();
