// What goes wrong next: a queue of faults for sends, and the standing behaviour of webhooks.

import { SluiceError } from '../base/errors.ts';
import { FAULT_DELAY_MS_MAX, FAULTS_MAX } from './limits.ts';
import type { SendFault, WebhookFaults } from './types.ts';

const CALM: WebhookFaults = { duplicate: false, shuffle: false, slowMs: 0, hold: false };

export class Faults {
  #sends: SendFault[] = [];
  #webhooks: WebhookFaults = CALM;
  readonly #onWebhooks: () => void;

  /** @param onWebhooks called after the behaviour of webhooks has changed */
  constructor(onWebhooks: () => void = () => undefined) {
    this.#onWebhooks = onWebhooks;
  }

  get webhooks(): WebhookFaults {
    return this.#webhooks;
  }

  /** Faults that wait for a send. */
  get waiting(): number {
    return this.#sends.length;
  }

  /**
   * Lets the next `times` sends fail in this way, after the faults that wait already.
   * @throws SluiceError ERR_ARG_RANGE for a bad delay, status or number, or above the bound
   */
  nextSend(fault: SendFault, times = 1): void {
    checkFault(fault);
    if (!Number.isInteger(times) || times < 1 || this.#sends.length + times > FAULTS_MAX) {
      throw new SluiceError('ERR_ARG_RANGE', `At most ${FAULTS_MAX} faults can wait.`);
    }
    for (let count = 0; count < times; count++) this.#sends.push(fault);
  }

  takeSend(): SendFault | undefined {
    return this.#sends.shift();
  }

  setWebhooks(change: Partial<WebhookFaults>): void {
    checkDelay(change.slowMs ?? 0);
    this.#webhooks = { ...this.#webhooks, ...change };
    this.#onWebhooks();
  }

  /** Everything works again. */
  clear(): void {
    this.#sends = [];
    this.setWebhooks(CALM);
  }
}

function checkFault(fault: SendFault): void {
  if ('ms' in fault) checkDelay(fault.ms);
  const status = 'status' in fault ? (fault.status ?? 400) : 400;
  if (!Number.isInteger(status) || status < 300 || status > 599) {
    throw new SluiceError('ERR_ARG_RANGE', 'The status of a fault is 300 to 599.');
  }
}

function checkDelay(ms: number): void {
  if (!(ms >= 0 && ms <= FAULT_DELAY_MS_MAX)) {
    throw new SluiceError('ERR_ARG_RANGE', `A delay is 0 to ${FAULT_DELAY_MS_MAX} ms.`);
  }
}
