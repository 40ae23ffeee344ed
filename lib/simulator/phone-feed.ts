// The WebSocket of the phone page. Each phone shows one thread and is sent the whole of it after every
// change, a few times a second at most; what the person does comes back as actions.
//
//   phone -> {"type":"open","page","user","visible"} | {"type":"customer","name"} | {"type":"faults",…} | action
//   phone <- {"type":"world",…} | {"type":"thread",…} | {"type":"result","ok","mid"?,"error"?}

import { randomInt } from 'node:crypto';
import type { ServerSocket, WebSocketRoute } from '../server/types.ts';
import { performAction, performFaults } from './actions.ts';
import { PHONE_MESSAGE_BYTES_MAX, PHONE_MESSAGES_MAX, PHONE_REFRESH_MS } from './limits.ts';
import { isLoopbackAuthority, isLoopbackOrigin } from './loopback.ts';
import { isObject } from './send-request.ts';
import type { Simulator } from './simulator.ts';

export function phoneRoute(simulator: Simulator): WebSocketRoute<undefined> {
  const phones = new Map<ServerSocket<undefined>, Phone>();
  return {
    messageBytesMax: PHONE_MESSAGE_BYTES_MAX,
    upgrade(request) {
      const isLocal =
        isLoopbackAuthority(request.headers['host']) && isLoopbackOrigin(request.headers['origin']);
      return isLocal ? undefined : { reject: 403 };
    },
    open(socket) {
      phones.set(socket, new Phone(simulator, socket));
    },
    message(socket, data) {
      phones.get(socket)?.receive(data.toString());
    },
    close(socket) {
      phones.get(socket)?.close();
      phones.delete(socket);
    },
  };
}

class Phone {
  readonly #simulator: Simulator;
  readonly #socket: ServerSocket<undefined>;
  readonly #stopListening: () => void;
  #page = '';
  #user = '';
  #stopViewing: () => void = () => undefined;
  #refresh: NodeJS.Timeout | undefined;
  #typingEnds: NodeJS.Timeout | undefined;

  constructor(simulator: Simulator, socket: ServerSocket<undefined>) {
    this.#simulator = simulator;
    this.#socket = socket;
    this.#stopListening = simulator.world.listen((page, user) => {
      if (page === this.#page && user === this.#user) this.#scheduleThread();
    });
    this.#sendWorld();
  }

  receive(text: string): void {
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      this.#socket.close(1007, 'not JSON');
      return;
    }
    if (!isObject(message)) return;
    if (message['type'] === 'open') this.#open(message);
    else if (message['type'] === 'customer') this.#addCustomer(message['name']);
    else if (message['type'] === 'faults') this.#report(performFaults(this.#simulator, message));
    else this.#report(performAction(this.#simulator, message));
  }

  close(): void {
    this.#stopListening();
    this.#stopViewing();
    clearTimeout(this.#refresh);
    clearTimeout(this.#typingEnds);
  }

  /** A thread that nobody looks at is not read. */
  #open({ page, user, visible }: Readonly<Record<string, unknown>>): void {
    const { world } = this.#simulator;
    if (typeof page !== 'string' || typeof user !== 'string') return;
    if (world.page(page) === undefined || world.customer(user) === undefined) return;
    this.#stopViewing();
    this.#page = page;
    this.#user = user;
    this.#stopViewing = visible === false ? () => undefined : this.#simulator.view(page, user);
    this.#sendThread();
  }

  #addCustomer(name: unknown): void {
    const id = `7${String(randomInt(10 ** 12)).padStart(15, '0')}`;
    this.#simulator.world.addCustomer(id, typeof name === 'string' ? name : undefined);
    this.#sendWorld(id);
  }

  #sendWorld(created?: string): void {
    const { world, faults } = this.#simulator;
    const pages = world.pages.map(({ id, name }) => ({ id, name }));
    const customers = world.customers.slice(-500);
    this.#send({ type: 'world', pages, customers, created, webhooks: faults.webhooks });
  }

  #scheduleThread(): void {
    this.#refresh ??= setTimeout(() => this.#sendThread(), PHONE_REFRESH_MS);
  }

  #sendThread(): void {
    clearTimeout(this.#refresh);
    this.#refresh = undefined;
    const { world } = this.#simulator;
    const thread = world.thread(this.#page, this.#user);
    const typingMs = world.typingLeftMs(thread);
    this.#watchTyping(typingMs);
    this.#send({
      type: 'thread',
      page: thread.page,
      user: thread.user,
      messages: thread.messages.slice(-PHONE_MESSAGES_MAX),
      seenAt: thread.pageSeenAt,
      typing: typingMs > 0,
    });
  }

  /** The indicator goes out by itself when the Page forgets it. */
  #watchTyping(leftMs: number): void {
    clearTimeout(this.#typingEnds);
    if (leftMs === 0) return;
    this.#typingEnds = setTimeout(() => this.#sendThread(), leftMs + PHONE_REFRESH_MS);
  }

  #report(result: object): void {
    this.#send({ type: 'result', ...result });
  }

  #send(message: object): void {
    this.#socket.send(JSON.stringify(message));
  }
}
