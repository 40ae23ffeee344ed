// For each operation of a socket, a server and a response: a server in a worker thread, which is
// terminated while a handler calls the operation over and over. The server of the main thread goes on.
import { connect } from 'node:net';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { createServer } from '../../../dist/index.js';

const OPERATIONS = {
  sendText: (socket) => socket.send('text'),
  sendBytes: (socket) => socket.send(Buffer.from('bytes')),
  sendKeyed: (socket) => socket.send('newest', { key: 'k' }),
  ping: (socket) => socket.ping(),
  stream: (socket) => socket.stream().end('whole'),
  drained: (socket) => void socket.drained(),
  close: (socket) => socket.close(),
  terminate: (socket) => socket.terminate(),
  pause: (socket) => socket.pause(),
  resume: (socket) => {
    socket.pause();
    socket.resume();
  },
  subscribe: (socket) => {
    socket.subscribe('t');
    socket.unsubscribe('t');
  },
  publish: (socket, server) => {
    socket.subscribe('t');
    server.publish('t', 'news');
  },
  info: (socket) => socket.info(),
  topics: (socket) => [socket.topics, socket.isSubscribed('t')],
  facts: (socket) => [socket.isOpen, socket.isPaused, socket.pendingBytes, socket.request.path],
  stats: (_socket, server) => server.stats(),
  sockets: (_socket, server) => [...server.sockets],
  serverClose: (_socket, server) => void server.close(),
  responseHead: (_socket, _server, response) => response.status(201).header('X-A', 'b'),
  responseWrite: (_socket, _server, response) => response.write('chunk'),
  responseEnd: (_socket, _server, response) => response.finished || response.end('body'),
};

const KEY = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
const UPGRADE = `GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${KEY}\r\n`;
const MESSAGE = Buffer.of(0x81, 0x81, 0, 0, 0, 0, 0x61);

function work({ name }) {
  const server = createServer({ host: '127.0.0.1' });
  const spin = (socket, response) => {
    parentPort.postMessage('spinning');
    while (true) OPERATIONS[name](socket, server, response);
  };
  server.websocket('/', { message: (socket) => spin(socket) });
  server.get('/spin', (_request, response) => spin(undefined, response));
  server.listen().then(({ port }) => parentPort.postMessage(port));
}

const next = (worker) => new Promise((resolve) => worker.once('message', resolve));

/** @returns whether the client of the terminated worker has seen the end */
async function terminateIn(name) {
  const worker = new Worker(new URL(import.meta.url), { workerData: { name } });
  const client = connect(await next(worker), '127.0.0.1');
  client.on('error', () => undefined);
  const isCut = new Promise((resolve) => client.once('close', () => resolve(true)));
  const isHttp = name.startsWith('response');
  client.write(isHttp ? 'GET /spin HTTP/1.1\r\nHost: a\r\n\r\n' : UPGRADE);
  if (!isHttp) client.once('data', () => client.write(MESSAGE));
  client.resume();
  await next(worker);
  await worker.terminate();
  return isCut;
}

async function main() {
  const own = createServer({ host: '127.0.0.1' });
  own.get('/', (_request, response) => response.end('alive'));
  const { port } = await own.listen();
  const results = {};
  for (const name of Object.keys(OPERATIONS)) {
    const isCut = await terminateIn(name);
    const answer = await (await fetch(`http://127.0.0.1:${port}/`)).text();
    results[name] = isCut ? answer : 'its client hangs';
  }
  process.stdout.write(`${JSON.stringify(results)}\n`);
  await own.close({ deadlineMs: 10 });
}

if (isMainThread) await main();
else work(workerData);
