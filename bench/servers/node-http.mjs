// Peer: the same two answers with node:http, as its users write them.
import { createServer } from 'node:http';

function answer(response, type, body) {
  response.writeHead(200, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    answer(response, 'text/plain; charset=utf-8', 'Hello, World!');
    return;
  }
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const { id, text } = JSON.parse(Buffer.concat(chunks).toString());
    answer(response, 'application/json', JSON.stringify({ id, length: text.length }));
  });
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
