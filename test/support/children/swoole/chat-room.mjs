// A room: whatever one says goes to all the others, found by iterating over the connections.
import { Server } from 'sluice/swoole';

const server = new Server('127.0.0.1', 0);
const names = new Map();

function tellOthers(from, text) {
  for (const fd of server.connections) {
    if (fd !== from && server.isEstablished(fd)) server.push(fd, text);
  }
}

server.on('start', ({ port }) => console.log(`listening on ${port}`));
server.on('Open', (_server, request) => {
  names.set(request.fd, request.get.name ?? 'nobody');
  tellOthers(request.fd, `${names.get(request.fd)} is here`);
});
server.on('Message', (_server, frame) =>
  tellOthers(frame.fd, `${names.get(frame.fd)}: ${frame.data}`),
);
server.on('Close', (_server, fd) => {
  if (names.has(fd)) tellOthers(fd, `${names.get(fd)} has left`);
  names.delete(fd);
});
server.start();
