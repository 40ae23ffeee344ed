// Numbers of connections: page by page, and what a number is worth once its owner has left.
import { Server } from 'sluice/swoole';

const server = new Server('127.0.0.1', 0);
let stale = 0;
server.on('start', ({ port }) => console.log(`listening on ${port}`));
server.on('message', (ws, frame) => {
  const pages = [];
  let last = 0;
  while (true) {
    const page = ws.getClientList(last, 2);
    if (page === false || page.length === 0) break;
    last = page.at(-1);
    pages.push(page.length);
  }
  const wasPushed = stale !== 0 && ws.push(stale, 'for nobody');
  const { websocket_status: status, remote_ip: ip } = ws.getClientInfo(frame.fd);
  ws.push(frame.fd, JSON.stringify({ pages, wasPushed, error: ws.getLastError(), status, ip }));
});
server.on('close', (_ws, fd) => {
  stale = fd;
  console.log('one has left');
});
server.start();
