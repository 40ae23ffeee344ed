// The library's server in several workers: WebSocket echo at '/', GET /hello. Prints {"port":N}, and takes lines
// on standard input: `report` prints the workers' reports, `reload` prints {"reloadedMs","goneMs"}.
//   workers.mjs COUNT [DRAIN_WINDOW_MS]
import { createInterface } from 'node:readline';
import { createServer } from '../../dist/index.js';
import { supervise, workerRole } from '../../dist/process/index.js';

const [count = '1', drainWindowMs = '0'] = process.argv.slice(2);
const worker = workerRole();

async function main() {
  let left = () => undefined;
  const supervisor = await supervise({
    workers: Number(count),
    listen: [{ host: '127.0.0.1', port: 0 }],
    drainWindowMs: Number(drainWindowMs),
    onEvent: (event) => event.kind === 'left' && left(),
  });
  await supervisor.ready;
  const commands = {
    report: () => ({ pid: process.pid, workers: supervisor.workers }),
    async reload() {
      const start = performance.now();
      let gone = 0;
      const allGone = new Promise((resolve) => {
        left = () => ++gone === Number(count) && resolve();
      });
      await supervisor.reload();
      const reloadedMs = performance.now() - start;
      await allGone;
      return { reloadedMs, goneMs: performance.now() - start };
    },
  };
  createInterface({ input: process.stdin }).on('line', async (line) => {
    console.log(JSON.stringify(await commands[line]()));
  });
  console.log(JSON.stringify({ port: supervisor.ports[0] }));
}

async function serve() {
  const server = createServer();
  server.websocket('/', { message: (socket, data) => void socket.send(data) });
  server.get('/hello', (_request, response) => response.end('hello'));
  await worker.serve(server);
}

await (worker === undefined ? main() : serve());
