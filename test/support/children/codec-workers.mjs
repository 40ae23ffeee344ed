// Two worker threads that open deflate streams, leave them open, and end in the way that the argument names.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { loadCodec } from '../../../dist/native/load-codec.js';

const { deflate } = loadCodec();

async function main(way) {
  const workers = [0, 1].map(() => new Worker(new URL(import.meta.url), { workerData: { way } }));
  await Promise.all(
    workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))),
  );
  const during = deflate.liveStreams();
  const ended = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
  for (const worker of workers) {
    if (way === 'terminate') worker.terminate();
    else worker.postMessage('exit');
  }
  await Promise.all(ended);
  const after = deflate.liveStreams();
  process.stdout.write(`${JSON.stringify({ during, after, bytes: deflate.liveBytes() })}\n`);
}

function work() {
  for (let i = 0; i < 3; i++) {
    deflate.openDeflater(15, 6, 8);
    deflate.openInflater(15);
  }
  parentPort.once('message', () => process.exit());
  parentPort.postMessage('open');
}

if (isMainThread) await main(process.argv[2]);
else work(workerData);
