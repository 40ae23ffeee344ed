// A program with a supervisor and workers, as a user would write it. The first argument has the options of
// supervise() and, under `worker`, how the workers behave.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from '../../../dist/index.js';
import { supervise, workerRole } from '../../../dist/process/index.js';

const { worker: manners = {}, ...options } = JSON.parse(process.argv[2]);
const worker = workerRole();

function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function customerHandler() {
  while (true);
}

function logAt(level) {
  return (fields, message) => say({ kind: 'log', level, message, ...fields });
}

const log = {
  debug: logAt('debug'),
  info: logAt('info'),
  warn: logAt('warn'),
  error: logAt('error'),
};

async function main() {
  const supervisor = await supervise({ ...options, onEvent: say, ...(manners.log ? { log } : {}) });
  say({ kind: 'ports', ports: supervisor.ports });
  supervisor.ready.then(() => say({ kind: 'all-ready' }));
  process.on('SIGWINCH', () => say({ kind: 'report', workers: supervisor.workers }));
  say({ kind: 'ended', code: await supervisor.ended });
}

async function serve() {
  const isDoomed = manners.crashSlot === undefined || manners.crashSlot === worker.slot;
  if (isDoomed && manners.crash === true) throw new Error('born to crash');
  if (isDoomed && existsSync(manners.crashWhile ?? '')) throw new Error('may not live yet');
  const server = createServer();
  server.get('/', (_request, response) => response.end(String(process.pid)));
  // See test/system/process-upgrade.test.ts.
  server.get('/version', (_request, response) => response.end(process.env.TEST_VERSION ?? ''));
  server.get('/variables', (_request, response) => {
    const ofManagers = /^(NOTIFY|WATCHDOG|LISTEN|SLUICE)_/;
    response.json(Object.keys(process.env).filter((name) => ofManagers.test(name)));
  });
  server.get('/hang', customerHandler);
  server.get('/exit', () => process.exit(3));
  server.get('/slow', async (_request, response) => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    response.end(String(process.pid));
  });
  server.get('/orphan', (_request, response) => {
    // The shell ends at once; what it has started goes to process 1.
    spawnSync('sh', ['-c', 'sleep 0.5 >/dev/null 2>&1 &']);
    response.end('ok');
  });
  server.get('/reload', (_request, response) => {
    worker.request('reload');
    response.end('ok');
  });
  server.websocket('/ws', {
    open: (socket) => socket.send(String(process.pid)),
    message: (socket, data) => socket.send(data),
  });
  worker.onLeave(() => say({ kind: 'bye', pid: process.pid, slot: worker.slot }));
  worker.report({ name: `worker ${worker.slot} of ${worker.count}` });
  await worker.serve(server);
}

await (worker === undefined ? main() : serve());
