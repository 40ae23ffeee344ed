// One row of a table: two servers under the same load, compared over several starts of both, since
// servers that are started once can differ by some percent from an equal one for as long as they run.

import { join } from 'node:path';
import { compare, interval, LineProcess, median } from './measure.mjs';
import { printRow } from './report.mjs';

const root = new URL('..', import.meta.url).pathname;
export const program = (name) => join(root, 'build-native', 'bench', name);

/** A server with its load client. @param load { program, args(port) } */
async function side(server, needs, load) {
  const running = await server.start(needs);
  const client = new LineProcess(program(load.program), load.args(running.port).map(String));
  await client.next();
  const stop = async () => {
    await client.stop();
    await running.stop();
  };
  return { pids: running.pids(), load: client, running, stop };
}

/** Joins the results of several starts. */
function joined(results) {
  const ratios = results.flatMap((result) => result.ratios);
  const [low, high] = interval(ratios);
  const mean = (pick) => median(results.map(pick));
  const ofSide = (key) => ({
    perCpu: mean((result) => result[key].perCpu),
    perSecond: mean((result) => result[key].perSecond),
    busy: mean((result) => result[key].busy),
  });
  return { a: ofSide('a'), b: ofSide('b'), ratio: median(ratios), low, high, pairs: ratios.length };
}

/**
 * @param ours, theirs entries of contenders(); `rival` is the name of the latter
 * @param shape { what, needs, load, unit, target }
 */
export async function row(ours, theirs, rival, shape, options) {
  const { starts, pairs, sliceMs } = options;
  const results = [];
  for (let start = 0; start < starts; start++) {
    const a = await side(ours, shape.needs, shape.load);
    const b = await side(theirs, shape.needs, shape.load);
    const perStart = Math.max(2, Math.round(pairs / starts));
    results.push(await compare(a, b, { pairs: perStart, sliceMs, unit: shape.unit, warmups: 2 }));
    await a.stop();
    await b.stop();
  }
  const result = { what: shape.what, rival, target: shape.target?.(rival), ...joined(results) };
  printRow(result);
  return result;
}

/** All rows of one load: ours against each rival that can do it. */
export async function rowsFor(shape, all, options) {
  const ours = all.get('sluice');
  const rows = [];
  for (const [name, server] of all) {
    if (name === 'sluice' || !shape.can.some((ability) => server.can.includes(ability))) continue;
    try {
      rows.push(await row(ours, server, name, shape, options));
    } catch (error) {
      console.error(`${shape.what} vs ${name}: left out, ${error.message}`);
    }
  }
  return rows;
}
