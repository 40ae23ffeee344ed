// Two worker threads with a loop each and one on the main thread; the workers end in the way that the
// argument names, one of them in the middle of a batch.
import { connect } from 'node:net';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { createLoop } from '../../../dist/net/event-loop.js';

const ignore = () => undefined;

function echo(onData) {
  const loop = createLoop();
  const listener = loop.listen({ host: '127.0.0.1', port: 0 }, () => ({
    onData,
    onEnd: (connection) => connection.close(),
    onDrain: ignore,
    onDeadline: ignore,
    onClose: ignore,
    onFailure: (connection) => connection.reset(),
  }));
  return { loop, port: listener.port };
}

const reply = (connection, slab, start, end) => connection.write(slab.subarray(start, end));

function roundTrip(port) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('ping'));
    socket.once('data', (data) => {
      socket.destroy();
      resolve(String(data));
    });
    socket.on('error', reject);
  });
}

async function main(way) {
  const own = echo(reply);
  const workers = [0, 1].map(() => new Worker(new URL(import.meta.url), { workerData: { way } }));
  const ports = await Promise.all(
    workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))),
  );
  const answers = await Promise.all([own.port, ...ports].map(roundTrip));
  const ended = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
  if (way === 'terminate-in-batch') {
    for (const port of ports)
      connect(port, '127.0.0.1', function () {
        this.write('spin');
      }).on('error', ignore);
    await Promise.all(
      workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))),
    );
  }
  for (const worker of workers) {
    if (way === 'close') worker.postMessage('close');
    else worker.terminate();
  }
  await Promise.all(ended);
  answers.push(await roundTrip(own.port));
  await own.loop.close();
  process.stdout.write(`${JSON.stringify({ answers })}\n`);
}

function work() {
  const { loop, port } = echo((connection, slab, start, end) => {
    if (end - start === 4 && slab.toString('latin1', start, end) === 'spin') {
      parentPort.postMessage('spinning');
      while (true) Math.random();
    }
    reply(connection, slab, start, end);
  });
  parentPort.once('message', () => loop.close());
  parentPort.postMessage(port);
}

if (isMainThread) await main(process.argv[2]);
else work(workerData);
