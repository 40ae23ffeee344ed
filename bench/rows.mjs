// One row of a table: two servers under the same load, compared over several starts of both, since
// servers that are started once can differ by some percent from an equal one for as long as they run.

import { join } from 'node:path';
import { compareStarts, LineProcess } from './measure.mjs';
import { printRow } from './report.mjs';

const root = new URL('..', import.meta.url).pathname;
export const program = (name) => join(root, 'build-native', 'bench', name);

/** A server with its load client. @param load { program, args(port) } */
async function side(server, needs, load) {
  const running = await server.start(needs);
  const client = new LineProcess(program(load.program), load.args(running.port).map(String));
  const stop = async () => {
    await client.stop();
    await running.stop();
  };
  try {
    await client.next();
  } catch (error) {
    await stop();
    throw error;
  }
  return { pids: running.pids(), load: client, running, stop };
}

/**
 * @param ours, theirs entries of contenders(); `rival` is the name of the latter
 * @param shape { what, needs, load, unit, target }
 */
export async function row(ours, theirs, rival, shape, options) {
  const result = await compareStarts(
    () => side(ours, shape.needs, shape.load),
    () => side(theirs, shape.needs, shape.load),
    { ...options, unit: shape.unit },
  );
  const entry = { what: shape.what, rival, target: shape.target?.(rival), ...result };
  printRow(entry);
  return entry;
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
