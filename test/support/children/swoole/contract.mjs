import { Server } from 'sluice/swoole';

const ws = new Server('0.0.0.0', 9502);
ws.on('open', (ws, request) => ws.push(request.fd, 'hello, welcome\n'));
ws.on('message', (ws, frame) => ws.push(frame.fd, `server: ${frame.data}`));
ws.on('close', (ws, fd) => console.log(`client-${fd} is closed`));
ws.start();
