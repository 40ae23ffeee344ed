// Topics over all workers: what one publishes goes to the others over the bus and is published there, too.

import type { PublishOptions, PublishResult, Server } from '../server/types.ts';
import type { BusData, SharedTopics, WorkerBus } from './bus-types.ts';

const CHANNEL = 'topics';
/** Of the topic; its lowest bit says that the data is binary. */
const TOPIC_LENGTH_BYTES = 2;

interface Publication {
  readonly topic: string;
  readonly data: BusData;
}

/** See WorkerBus.shareTopics. */
export function shareTopics(bus: WorkerBus, server: Server, channel = CHANNEL): SharedTopics {
  const name = `sluice.publish.${channel}`;
  const publishHere = (bytes: string | Buffer): PublishResult => {
    const { topic, data } = unpack(Buffer.from(bytes));
    return server.publish(topic, data);
  };
  bus.onSignal(name, publishHere);
  bus.onRequest(name, (bytes) => JSON.stringify(publishHere(bytes)));
  return {
    publish(topic: string, data: BusData, options?: PublishOptions): PublishResult {
      bus.signal('all', name, pack(topic, data));
      return server.publish(topic, data, options);
    },
    async publishAllWorkers(topic: string, data: BusData, options?: PublishOptions) {
      const packed = pack(topic, data);
      const asked = bus.peers.map((peer) => bus.request(peer.serial, name, packed));
      const sum = { ...server.publish(topic, data, options), workers: 1 };
      // A worker that is gone has no subscribers any more.
      for (const answer of await Promise.allSettled(asked)) {
        if (answer.status === 'rejected') continue;
        const { subscribers, dropped } = JSON.parse(String(answer.value)) as PublishResult;
        sum.subscribers += subscribers;
        sum.dropped += dropped;
        sum.workers++;
      }
      return sum;
    },
  };
}

/** Length of the topic with a bit for binary data, topic, data. */
function pack(topic: string, data: BusData): Buffer {
  const topicBytes = Buffer.byteLength(topic);
  const dataBytes = typeof data === 'string' ? Buffer.byteLength(data) : data.length;
  const packed = Buffer.allocUnsafe(TOPIC_LENGTH_BYTES + topicBytes + dataBytes);
  packed.writeUInt16LE(topicBytes * 2 + (typeof data === 'string' ? 0 : 1));
  packed.write(topic, TOPIC_LENGTH_BYTES, 'utf8');
  if (typeof data === 'string') packed.write(data, TOPIC_LENGTH_BYTES + topicBytes, 'utf8');
  else packed.set(data, TOPIC_LENGTH_BYTES + topicBytes);
  return packed;
}

function unpack(packed: Buffer): Publication {
  const word = packed.readUInt16LE(0);
  const dataStart = TOPIC_LENGTH_BYTES + (word >> 1);
  const topic = packed.toString('utf8', TOPIC_LENGTH_BYTES, dataStart);
  const isBinary = (word & 1) === 1;
  const data = isBinary ? packed.subarray(dataStart) : packed.toString('utf8', dataStart);
  return { topic, data };
}
