// Echoes over lib/net and prints its port. Run with few descriptors to see what accept does then.
import { createLoop } from '../../../dist/net/event-loop.js';

const ignore = () => undefined;
const loop = createLoop();
const listener = loop.listen({ host: '127.0.0.1', port: 0 }, () => ({
  onData(connection, slab, start, end) {
    connection.write(slab.subarray(start, end));
  },
  onEnd: (connection) => connection.close(),
  onDrain: ignore,
  onDeadline: ignore,
  onClose: ignore,
  onFailure: (connection) => connection.reset(),
}));
process.stdout.write(`${JSON.stringify({ port: listener.port })}\n`);
process.stdin.on('end', async () => {
  const { user, system } = process.cpuUsage();
  await loop.close();
  process.stdout.write(`${JSON.stringify({ cpuMs: (user + system) / 1000 })}\n`);
});
process.stdin.resume();
