// Serves the listener that it finds as descriptor 3, as a service manager passes it, and answers
// with its own process id. Takes the lines `close` (the listener only) and end of input (all).
import { createInterface } from 'node:readline';
import { createLoop } from '../../../dist/net/event-loop.js';

const ignore = () => undefined;
const loop = createLoop();
const listener = loop.listen({ fd: 3, exclusive: true }, (connection) => {
  connection.write(Buffer.from(`${process.pid}`));
  connection.end();
  return {
    onData: ignore,
    onEnd: () => connection.close(),
    onDrain: ignore,
    onDeadline: ignore,
    onClose: ignore,
    onFailure: () => connection.reset(),
  };
});
const { host, port, path } = listener;
console.log(JSON.stringify({ host, port, path: path ?? null }));
const input = createInterface(process.stdin);
input.on('line', () => {
  listener.close();
  console.log(JSON.stringify({ closed: true }));
});
input.on('close', () => loop.close());
