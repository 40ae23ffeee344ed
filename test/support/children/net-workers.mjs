// Two worker threads with a loop each and one on the main thread; the workers end in the way that the
// argument names: asked to, idle, with live connections, in the middle of a batch, by exit or a throw
// inside a handler. Several generations: what a thread leaves open would add up.
import { readdirSync } from 'node:fs';
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

const GENERATIONS = 3;
/** Ways that a message to the worker brings about inside its handler. */
const TOLD = { 'terminate-in-batch': 'spin', exit: 'exit', 'throw-null': 'null' };

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

/** A connection that stays open at this end until the worker is gone. */
function hold(port, text) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(text);
      resolve(socket);
    });
    socket.on('error', ignore);
  });
}

async function generation(way, ownPort) {
  const workers = [0, 1].map(() => new Worker(new URL(import.meta.url), { workerData: { way } }));
  // An error of the worker is how it ends when a handler throws.
  for (const worker of workers) worker.on('error', ignore);
  const ports = await Promise.all(
    workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))),
  );
  const answers = await Promise.all([ownPort, ...ports].map(roundTrip));
  const ended = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
  const held = [];
  if (way === 'terminate-live') {
    for (const port of ports) for (let i = 0; i < 20; i++) held.push(await hold(port, 'stay'));
  }
  if (TOLD[way] !== undefined) {
    const told = workers.map((worker) => new Promise((resolve) => worker.once('message', resolve)));
    for (const port of ports) held.push(await hold(port, TOLD[way]));
    await Promise.all(told);
  }
  for (const worker of workers) {
    if (way === 'close') worker.postMessage('close');
    else if (way.startsWith('terminate')) worker.terminate();
  }
  await Promise.all(ended);
  for (const socket of held) socket.destroy();
  return answers;
}

/** Descriptors of this process, once those of destroyed sockets are gone, too. */
async function openDescriptors() {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  return readdirSync('/proc/self/fd').length;
}

async function main(way) {
  const own = echo(reply);
  const answers = await generation(way, own.port);
  const before = await openDescriptors();
  for (let i = 1; i < GENERATIONS; i++) await generation(way, own.port);
  const leaked = (await openDescriptors()) - before;
  answers.push(await roundTrip(own.port));
  await own.loop.close();
  process.stdout.write(`${JSON.stringify({ answers, leaked })}\n`);
}

function throwNull() {
  throw null;
}

function work() {
  const { loop, port } = echo((connection, slab, start, end) => {
    const text = slab.toString('latin1', start, end);
    if (text === 'spin' || text === 'exit' || text === 'null') parentPort.postMessage(text);
    if (text === 'spin') while (true) Math.random();
    if (text === 'exit') process.exit();
    // A nextTick runs inside the crossing: the engine meets an exception that is not an object.
    if (text === 'null') process.nextTick(throwNull);
    reply(connection, slab, start, end);
  });
  parentPort.once('message', () => loop.close());
  parentPort.postMessage(port);
}

if (isMainThread) await main(process.argv[2]);
else work(workerData);
