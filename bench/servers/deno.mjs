// Peer: Deno's own server. Runs in Deno with --allow-all --v8-flags=--expose-gc.
//   deno.mjs [--fanout] [--cert=FILE --key=FILE]
const option = (name) =>
  Deno.args
    .find((item) => item === `--${name}` || item.startsWith(`--${name}=`))
    ?.slice(name.length + 3);

const cert = option('cert');
const isFanout = option('fanout') !== undefined;
const sockets = new Set();

function upgrade(request) {
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => sockets.add(socket);
  socket.onclose = () => sockets.delete(socket);
  socket.onmessage = ({ data }) => {
    if (!isFanout) socket.send(data);
    else for (const other of sockets) other.send(data);
  };
  return response;
}

const tls =
  cert === undefined
    ? {}
    : { cert: Deno.readTextFileSync(cert), key: Deno.readTextFileSync(option('key')) };
Deno.serve(
  {
    hostname: '127.0.0.1',
    port: 0,
    ...tls,
    onListen: ({ port }) => console.log(JSON.stringify({ port })),
  },
  async (request) => {
    if (request.method === 'POST') {
      const { id, text } = await request.json();
      return new Response(JSON.stringify({ id, length: text.length }), {
        headers: { 'Content-Type': 'application/json' },
      });
    }
    return request.headers.get('upgrade') === null ? new Response('hello') : upgrade(request);
  },
);
Deno.addSignalListener('SIGUSR2', () => {
  globalThis.gc?.();
  console.log(JSON.stringify({ collected: true }));
});
