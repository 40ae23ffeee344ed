// What all workers of a process stand on: one engine loop and the WebSockets' context, made when something
// first listens, and closed when everything has stopped. The loop keeps the process alive only while it
// has connections or listeners.

import { createLoop, type EventLoop } from '../../net/event-loop.ts';
import { WebSocketPort } from './websocket-port.ts';

export class ProcessGround {
  readonly loop: EventLoop = createLoop();
  readonly webSockets: WebSocketPort;

  /** @param report takes what callbacks have thrown */
  constructor(report: (error: unknown) => void) {
    this.webSockets = new WebSocketPort(this.loop, report);
  }

  /** Drops what is still open. */
  async close(): Promise<void> {
    await this.loop.close();
    this.webSockets.context.deflate?.close();
  }
}
