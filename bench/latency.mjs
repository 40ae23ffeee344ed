// Latency at half load: what a server can do is measured first, then half of it is offered in an open
// loop, and a message's time counts from the moment at which it was due. Not per CPU-second: microseconds.

import { LineProcess, median } from './measure.mjs';
import { program } from './rows.mjs';

const CONNECTIONS = 100;

/** One server's figures: p50 and p99 in microseconds. */
async function measure(server, { rounds, ms }) {
  const running = await server.start({});
  const args = [running.port, 'latency', `--connections=${CONNECTIONS}`].map(String);
  const load = new LineProcess(program('ws_load'), args);
  try {
    await load.next();
    const capacities = [];
    for (let i = 0; i < 3; i++) {
      const { messages, seconds } = await load.run(500);
      capacities.push(messages / seconds);
    }
    const capacity = median(capacities);
    const results = [];
    for (let i = 0; i < rounds; i++) results.push(await load.run(`${ms} ${Math.round(capacity / 2)}`));
    return {
      capacity,
      p50: median(results.map((result) => result.p50)),
      p99: median(results.map((result) => result.p99)),
    };
  } finally {
    await load.stop();
    await running.stop();
  }
}

export async function latencyTable(all, { rounds = 5, ms = 2000 } = {}) {
  const rows = [];
  for (const [name, server] of all) {
    if (!server.can.includes('echo')) continue;
    try {
      const figures = await measure(server, { rounds, ms });
      rows.push({ name, ...figures });
      console.log(`latency ${name}: ${JSON.stringify(figures)}`);
    } catch (error) {
      console.error(`latency ${name}: left out, ${error.message}`);
    }
  }
  return { name: 'latency', rows };
}
