// Peer: the relay as most people write it: node:http, createHmac, JSON.parse, ws; nothing durable.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const secret = process.argv[2];
const agents = new WebSocketServer({ noServer: true, perMessageDeflate: false });
let seq = 0;

function isSigned(header, body) {
  const expected = createHmac('sha256', secret).update(body).digest();
  const given = Buffer.from(String(header).slice(7), 'hex');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function relay(body) {
  for (const entry of JSON.parse(body.toString()).entry) {
    for (const event of entry.messaging) {
      const frame = JSON.stringify({
        type: 'event',
        seq: ++seq,
        conversation: `messenger/${entry.id}/${event.sender.id}`,
        kind: 'message.received',
        data: { mid: event.message.mid, at: event.timestamp, text: event.message.text },
      });
      for (const agent of agents.clients) agent.send(frame);
    }
  }
}

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    if (!isSigned(request.headers['x-hub-signature-256'], body)) {
      response.writeHead(401).end();
      return;
    }
    relay(body);
    response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': 14 });
    response.end('EVENT_RECEIVED');
  });
});
server.on('upgrade', (request, socket, head) => {
  agents.handleUpgrade(request, socket, head, (agent) => agents.emit('connection', agent, request));
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
