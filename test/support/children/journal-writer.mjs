// A process that owns a journal. Runs on the compiled code, since it is started without a loader.
//
//   journal-writer.mjs DIRECTORY command           does what messages ask for, answers with messages
//   journal-writer.mjs DIRECTORY stream FROM       appends mark<FROM>, mark<FROM+1>, ... and prints each acknowledgement

import { writeSync } from 'node:fs';
import { openJournal } from '../../../dist/journal/open.js';

const [directory, mode, from] = process.argv.slice(2);
const STREAMS = 24;

const { journal, views } = await openJournal({
  directory,
  limits: { reopenDelayMs: 20, reopenDelayMaxMs: 50, probeDelayMs: 20 },
  onFatal: () => setImmediate(end, 70),
});

async function end(code) {
  await journal.close();
  await views.close();
  process.exit(code);
}

// The marker three times, so that one of them is whole where a page of the file ends in another.
function recordOf(n) {
  return {
    conversation: `messenger/1/${n % 7}`,
    kind: 'message.received',
    at: 1_800_000_000_000 + n,
    data: `{"a":"mark${n}","b":"mark${n}","c":"mark${n}"}`,
    dedupeKey: `mid:${n}`,
    dedupeAt: 1_800_000_000_000 + n,
    fences: true,
  };
}

async function append(n) {
  try {
    const [result] = await journal.append([recordOf(n)]);
    return result;
  } catch (error) {
    return { status: error.code };
  }
}

async function stream(next) {
  const worker = async () => {
    for (;;) {
      const n = next++;
      const { status, seq } = await append(n);
      writeSync(1, `ack mark${n} ${status} ${seq}\n`);
    }
  };
  await Promise.all(Array.from({ length: STREAMS }, worker));
}

const COMMANDS = {
  append: ({ from: first, count }) =>
    Promise.all(Array.from({ length: count }, (_, index) => append(first + index))),
  head: async () => journal.head,
  available: async () => journal.isAvailable,
  end: () => end(0),
};

if (mode === 'stream') {
  await stream(Number(from));
} else {
  process.on('message', async (message) => {
    const result = await COMMANDS[message.command](message);
    process.send({ id: message.id, result });
  });
  process.send({ id: 0, result: journal.head });
}
