// Two worker threads serve WebSockets through sluice/ws while the main thread does, too; then one worker is
// terminated with open sockets, the other ends by itself. Prints what happened as JSON.

import { createServer } from 'node:http';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import Client from 'ws';

const { WebSocketServer } = await import('../../../dist/compat/ws/index.js');

async function serve() {
  const http = createServer();
  const wss = new WebSocketServer({ server: http });
  wss.on('connection', (socket) => {
    socket.on('message', (data) => socket.send(`${isMainThread ? 'main' : 'worker'} ${data}`));
  });
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
  return { http, wss, port: http.address().port };
}

async function talk(port) {
  const client = new Client(`ws://127.0.0.1:${port}`);
  const answer = await new Promise((resolve, reject) => {
    client.on('open', () => client.send('hello'));
    client.on('message', (data) => resolve(String(data)));
    client.on('error', reject);
  });
  const closed = new Promise((resolve) => client.on('close', (code) => resolve(code)));
  return { client, answer, closed };
}

async function main() {
  const workers = [1, 2].map(() => new Worker(new URL(import.meta.url)));
  const ports = await Promise.all(
    workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))),
  );
  const own = await serve();
  const talks = await Promise.all([own.port, ...ports].map(talk));
  const exits = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
  await workers[0].terminate();
  const cut = await talks[1].closed;
  // Closing its server is enough: nothing else keeps the second worker alive.
  talks[2].client.close();
  await talks[2].closed;
  workers[1].postMessage('close');
  const codes = await Promise.all(exits);
  const again = await talk(own.port);
  for (const client of own.wss.clients) client.terminate();
  own.http.close();
  await Promise.all([talks[0].closed, again.closed]);
  console.log(
    JSON.stringify({ answers: [...talks, again].map(({ answer }) => answer), cut, codes }),
  );
}

async function worker() {
  const { http, port } = await serve();
  parentPort.postMessage(port);
  parentPort.once('message', () => http.close());
}

await (isMainThread ? main() : worker());
