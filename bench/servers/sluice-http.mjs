// Ours: a GET with a short text and a POST of JSON that is parsed and answered, as a user writes them.
import { createServer } from '../../dist/index.js';

const server = createServer({ host: '127.0.0.1', port: 0 });
server.get('/', (_request, response) => {
  response.end('Hello, World!');
});
server.post('/json', async (request, response) => {
  const { id, text } = await request.json();
  response.header('Content-Type', 'application/json');
  response.end(JSON.stringify({ id, length: text.length }));
});
const { port } = await server.listen();
console.log(JSON.stringify({ port }));
