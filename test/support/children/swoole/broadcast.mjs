// A room over two workers: whatever one says goes to everybody, whoever's connection it is.
import { Server } from 'sluice/swoole';

const server = new Server('127.0.0.1', 0);
server.set({ worker_num: 2, max_wait_time: 1 });
server.on('start', ({ port }) => console.log(`listening on ${port}`));
server.on('workerStart', (ws, id) => console.log(`worker ${id} is ${ws.worker_pid}`));
server.on('workerError', (_ws, id, pid, code, signal) =>
  console.log(`worker ${id} died: ${pid} ${code} ${signal}`),
);
server.on('managerStart', (ws) => console.log(`manager ${ws.manager_pid} ${ws.worker_id}`));
server.on('managerStop', () => console.log('manager stops'));
server.on('beforeReload', () => console.log('reloading'));
server.on('afterReload', () => console.log('reloaded'));
server.on('workerStop', (_ws, id) => console.log(`worker ${id} stops`));
server.on('shutdown', () => console.log('shut down'));
const facts = (ws, fd) => {
  const list = [...ws.connections];
  const info = ws.getClientInfo(fd);
  return {
    fd,
    worker: ws.worker_id,
    count: ws.connections.count(),
    established: list.filter((each) => ws.isEstablished(each)).length,
    list: ws.getClientList(0, 100),
    info: info === false ? false : [info.worker_id, info.websocket_status, info.remote_ip],
    master: ws.master_pid,
  };
};
server.on('open', (ws, request) => ws.push(request.fd, JSON.stringify(facts(ws, request.fd))));
server.on('message', (ws, frame) => {
  const [word, fd, ...rest] = String(frame.data).split(' ');
  const answer = (value) => ws.push(frame.fd, JSON.stringify(value));
  const target = Number(fd);
  if (word === 'push') answer([ws.push(target, rest.join(' ')), ws.getLastError()]);
  else if (word === 'facts') answer(facts(ws, target));
  else if (word === 'disconnect') answer(ws.disconnect(target, 4001, 'by another'));
  else if (word === 'bind') answer([ws.bind(target, 7), ws.bind(target, 8)]);
  else if (word === 'reset') answer(ws.close(target, true));
  else if (word === 'send') answer(ws.send(target, Buffer.from('\x81\x03raw', 'latin1')));
  else if (word === 'reload') answer(ws.reload());
  else if (word === 'shutdown') answer(ws.shutdown());
  else if (word === 'stop') answer(ws.stop());
  else if (word === 'stats') answer(ws.stats());
  else if (word === 'pipe')
    answer([0, 1].map((id) => ws.sendMessage({ to: id, about: target }, id)));
  else for (const each of ws.connections) if (ws.isEstablished(each)) ws.push(each, frame.data);
});
server.on('pipeMessage', (ws, from, message) =>
  ws.push(message.about, `worker ${ws.worker_id} heard from ${from} for ${message.to}`),
);
server.start();
