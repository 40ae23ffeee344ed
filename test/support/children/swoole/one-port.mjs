// HTTP and WebSocket on one port: a request is handed to everybody who is connected.
import { Server } from 'sluice/swoole';

const server = new Server('127.0.0.1', 0);
server.set({ package_max_length: 1024 * 1024, max_wait_time: 1 });
server.on('start', ({ port }) => console.log(`listening on ${port}`));
server.on('message', (ws, frame) => ws.push(frame.fd, JSON.stringify({ got: frame.data })));
server.on('request', (request, response) => {
  if (request.server.request_uri !== '/say') {
    response.status(404);
    response.end('<h1>Nothing here</h1>');
    return;
  }
  let reached = 0;
  for (const fd of server.connections) {
    if (server.isEstablished(fd) && server.push(fd, request.post.text ?? request.get.text))
      reached++;
  }
  response.header('Content-Type', 'application/json');
  response.cookie('last', String(reached));
  response.end(JSON.stringify({ reached }));
});
server.start();
