// Answers the first bytes and leaves at once, in the way that the argument names.
import { createLoop } from '../../../dist/net/event-loop.js';

const ignore = () => undefined;
const loop = createLoop();
const way = process.argv[2];
const listener = loop.listen({ host: '127.0.0.1', port: 0 }, () => ({
  onData(connection) {
    connection.writeLatin1('last words');
    loop.beforeFlush({
      run() {
        connection.writeLatin1('!');
        if (way === 'close') connection.close();
      },
    });
    if (way === 'exit') process.exit(7);
    listener.close();
  },
  onEnd: (connection) => connection.close(),
  onDrain: ignore,
  onDeadline: ignore,
  onClose: ignore,
  onFailure: (connection) => connection.reset(),
}));
process.stdout.write(`${JSON.stringify({ port: listener.port })}\n`);
