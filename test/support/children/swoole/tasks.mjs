// Work is handed to task workers: results come back to the worker that has asked.
import { Server } from 'sluice/swoole';

const server = new Server('127.0.0.1', 0);
server.set({ worker_num: 1, task_worker_num: 2, max_wait_time: 1 });
server.on('start', ({ port }) => console.log(`listening on ${port}`));
server.on('workerStart', (ws, id) => {
  console.log(`${ws.taskworker ? 'task worker' : 'worker'} ${id} ${ws.worker_pid}`);
});
server.on('task', async (ws, id, from, data) => {
  if (data.kind === 'throw') throw new Error('a task failed');
  if (data.kind === 'die') process.kill(process.pid, 'SIGKILL');
  if (data.kind === 'slow') await new Promise((resolve) => setTimeout(resolve, data.ms));
  if (data.kind === 'nothing') return undefined;
  if (data.kind === 'early') {
    console.log(`early ${[ws.finish({ early: id }), ws.finish('again')]}`);
    return 'too late';
  }
  if (data.kind === 'nested') return { nested: ws.task({}) };
  return { sum: (data.numbers ?? []).reduce((a, b) => a + b, 0), from, worker: ws.worker_id };
});
server.on('finish', (ws, id, result) => {
  console.log(`finished ${id} ${JSON.stringify(result)}`);
});
server.on('error', (_ws, error) => console.log(`error: ${error.message}`));
server.on('message', async (ws, frame) => {
  const { how, ...rest } = JSON.parse(frame.data);
  const answer = (value) => ws.push(frame.fd, JSON.stringify(value));
  if (how === 'task') answer(ws.task(rest));
  else if (how === 'callback') ws.task(rest, 1, (_ws, id, result) => answer([id, result]));
  else if (how === 'wait') answer(await ws.taskwait(rest, rest.seconds));
  else if (how === 'multi') answer(await ws.taskWaitMulti(rest.all, 1));
  else if (how === 'co') answer(await ws.taskCo(rest.all, 1));
  else if (how === 'reload') answer(ws.reload(true));
});
server.on('afterReload', () => console.log('reloaded'));
server.start();
