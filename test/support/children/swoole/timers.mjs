// Three ticks, then a farewell, for everybody who comes.
import { Server, Timer } from 'sluice/swoole';

const server = new Server('127.0.0.1', 0);
server.on('start', ({ port }) => console.log(`listening on ${port}`));
server.on('workerStart', (_server, workerId) => console.log(`worker ${workerId}`));
server.on('open', (ws, request) => {
  let count = 0;
  ws.tick(5, (timer) => {
    if (!ws.isEstablished(request.fd)) {
      ws.clearTimer(timer);
      return;
    }
    ws.push(request.fd, `tick ${++count}`);
    if (count < 3) return;
    Timer.clear(timer);
    ws.after(5, (word) => ws.disconnect(request.fd, 1000, word), 'bye');
  });
});
server.on('message', (_server, frame) => console.log(frame.data));
server.start();
