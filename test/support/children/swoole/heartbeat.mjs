// Who says nothing for a while is let go; one may be spared.
import { Server } from 'sluice/swoole';

const server = new Server('127.0.0.1', 0);
server.set({ heartbeat_check_interval: 0.1, heartbeat_idle_time: 0.5 });
server.on('start', ({ port }) => console.log(`listening on ${port}`));
server.on('message', (ws, frame) => {
  if (frame.data === 'spare me') ws.push(frame.fd, `spared: ${ws.protect(frame.fd, true)}`);
});
server.on('close', (ws, fd, reactorId) => {
  console.log(`${fd} ${reactorId < 0 ? 'was let go' : 'has left'}`);
});
server.start();
