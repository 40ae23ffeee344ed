// One of two processes that send each other small messages, over the carrier that is measured.
//   bus-peer.mjs bus     the supervisor of two workers on our bus; prints what the sending one says
//   bus-peer.mjs ipc     a parent and its child, child_process IPC with `advanced` serialization
//   bus-peer.mjs redis PORT   two processes on Redis pub/sub, RESP written by hand, pipelined
// The sender takes lines on standard input: `run MS` (as fast as they go: {messages, seconds}) and
// `trips COUNT` (one there and back at a time: {p50, p99} in microseconds). It prints {"pids":[…]} first.
import { fork } from 'node:child_process';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { supervise, workerRole } from '../../dist/process/index.js';

const PAYLOAD = 'x'.repeat(150);
/** Sent, and not yet confirmed by the receiver. */
const FLIGHT_MAX = 4096;
const CONFIRM_EVERY = 256;
const say = (value) => console.log(JSON.stringify(value));

/** What both carriers of a message need: send(text), and a handler that is called with each text. */
function receiver(send) {
  let received = 0;
  return (text) => {
    if (text.startsWith('trip')) {
      send('back');
      return;
    }
    received++;
    if (received % CONFIRM_EVERY === 0) send('taken');
  };
}

function sender(send, pids) {
  let flight = 0;
  let taken = 0;
  let deadline = 0;
  let finish;
  let tripped;
  const fill = () => {
    while (flight < FLIGHT_MAX) {
      flight++;
      send(PAYLOAD);
    }
  };
  const heard = (text) => {
    if (text === 'back') {
      tripped?.();
      return;
    }
    flight -= CONFIRM_EVERY;
    taken += CONFIRM_EVERY;
    if (performance.now() < deadline) fill();
    else if (flight < CONFIRM_EVERY) finish?.();
  };
  const run = async (ms) => {
    const start = performance.now();
    taken = 0;
    deadline = start + ms;
    const done = new Promise((resolve) => {
      finish = resolve;
    });
    fill();
    await done;
    return { messages: taken, seconds: (performance.now() - start) / 1000 };
  };
  const trips = async (count) => {
    const times = [];
    for (let i = 0; i < count; i++) {
      const start = performance.now();
      const back = new Promise((resolve) => {
        tripped = resolve;
      });
      send('trip');
      await back;
      times.push((performance.now() - start) * 1000);
    }
    times.sort((a, b) => a - b);
    const at = (part) => Math.round(times[Math.floor(part * (count - 1))]);
    return { p50: at(0.5), p99: at(0.99) };
  };
  say({ pids });
  createInterface({ input: process.stdin }).on('line', async (line) => {
    const [name, value] = line.split(' ');
    say(await (name === 'run' ? run : trips)(Number(value)));
  });
  return heard;
}

async function bus() {
  const worker = workerRole();
  if (worker === undefined) {
    await supervise({ workers: 2, listen: [{ host: '127.0.0.1', port: 0 }], hangTimeoutMs: 0 });
    return;
  }
  const start = (peer) => {
    const send = (text) => worker.bus.signal(peer.serial, 'text', text);
    const heard = worker.slot === 0 ? sender(send, []) : receiver(send);
    worker.bus.onSignal('text', heard);
    if (worker.slot === 1) worker.bus.signal(peer.serial, 'pid', String(process.pid));
  };
  const ready = (peer) => (worker.slot === 1 ? start(peer) : undefined);
  worker.bus.onSignal('pid', (text, from) => {
    const send = (data) => worker.bus.signal(from.serial, 'text', data);
    worker.bus.onSignal('text', sender(send, [process.pid, Number(text)]));
  });
  worker.bus.onPeer((peer, isReachable) => isReachable && ready(peer));
  worker.ready();
}

function ipc() {
  if (process.send !== undefined) {
    process.on('message', receiver((text) => process.send(text)));
    return;
  }
  const child = fork(import.meta.filename, ['ipc'], { serialization: 'advanced' });
  const heard = sender((text) => child.send(text), [process.pid, child.pid]);
  child.on('message', heard);
  child.on('exit', () => process.exit(1));
}

/** RESP3 needs no client library to say PUBLISH, and none to read what a subscription brings. */
function redisLine(port, channel, onText) {
  const subscriber = connect(port, '127.0.0.1');
  const publisher = connect(port, '127.0.0.1');
  publisher.setNoDelay();
  publisher.resume();
  let rest = '';
  subscriber.setEncoding('latin1').on('data', (chunk) => {
    rest += chunk;
    // *3 $7 message $N channel $M text: each on a line of its own; texts here have no line breaks.
    const lines = rest.split('\r\n');
    const whole = Math.floor((lines.length - 1) / 7) * 7;
    for (let i = 0; i < whole; i += 7) if (lines[i + 2] === 'message') onText(lines[i + 6]);
    rest = lines.slice(whole).join('\r\n');
  });
  let waiting = [];
  const subscribed = new Promise((resolve) => subscriber.on('connect', resolve));
  return {
    async subscribe() {
      await subscribed;
      const confirmed = new Promise((resolve) => subscriber.once('data', resolve));
      subscriber.write(`SUBSCRIBE ${channel}\r\n`);
      await confirmed;
      rest = '';
    },
    publish(to, text) {
      if (waiting.length === 0) setImmediate(() => {
        publisher.write(waiting.join(''));
        waiting = [];
      });
      waiting.push(`*3\r\n$7\r\nPUBLISH\r\n$${to.length}\r\n${to}\r\n$${text.length}\r\n${text}\r\n`);
    },
  };
}

async function redis(port) {
  if (process.send !== undefined) {
    const line = redisLine(port, 'there', receiver((text) => line.publish('back', text)));
    await line.subscribe();
    process.send('subscribed');
    return;
  }
  const child = fork(import.meta.filename, ['redis', String(port)]);
  await new Promise((resolve) => child.once('message', resolve));
  let heard;
  const line = redisLine(port, 'back', (text) => heard(text));
  await line.subscribe();
  heard = sender((text) => line.publish('there', text), [process.pid, child.pid]);
}

const [carrier, port] = process.argv.slice(2);
if (carrier === 'bus') await bus();
else if (carrier === 'ipc') ipc();
else await redis(Number(port));
