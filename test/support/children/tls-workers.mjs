// Two worker threads serve TLS beside the main thread; they end in the way that the argument names,
// with connections open and handshakes begun. At the end no TLS object may be left.
import { connect as connectPlain } from 'node:net';
import { connect } from 'node:tls';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { loadCodec } from '../../../dist/native/load-codec.js';
import { createLoop } from '../../../dist/net/event-loop.js';
import { createServerOn } from '../../../dist/server/server.js';

async function serve(tls) {
  const loop = createLoop();
  const server = createServerOn(loop, { host: '127.0.0.1', port: 0, tls });
  server.get('/', (_request, response) => response.end('hello'));
  const { port } = await server.listen();
  return { loop, server, port };
}

function ask(port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () =>
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    );
    socket.once('data', (data) => resolve(String(data).endsWith('hello')));
    socket.once('error', reject);
    // Stays open: the end of its thread is its end.
    socket.on('error', () => undefined);
    socket.unref();
  });
}

async function main(way, tls) {
  const own = await serve(tls);
  const workers = [0, 1].map(() => new Worker(new URL(import.meta.url), { workerData: { tls } }));
  const ports = await Promise.all(
    workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))),
  );
  const answers = await Promise.all([own.port, ...ports].map(ask));
  for (const port of ports) {
    const silent = connectPlain(port, '127.0.0.1', () => silent.write(Buffer.from([0x16, 3, 1])));
    silent.on('error', () => undefined);
    silent.unref();
  }
  const ended = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
  for (const worker of workers) {
    if (way === 'close') worker.postMessage('close');
    else worker.terminate();
  }
  await Promise.all(ended);
  answers.push(await ask(own.port));
  await own.server.close({ deadlineMs: 50 });
  await own.loop.close();
  const { channels } = loadCodec().tlsLiveCounts();
  process.stdout.write(`${JSON.stringify({ answers, channels })}\n`);
}

async function work({ tls }) {
  const { loop, server, port } = await serve(tls);
  parentPort.once('message', async () => {
    await server.close({ deadlineMs: 50 });
    await loop.close();
  });
  parentPort.postMessage(port);
}

if (isMainThread) await main(process.argv[2], { cert: process.env.CERT, key: process.env.KEY });
else await work(workerData);
