// What a person at the phone page, or a test from outside, may do: one JSON object per action, checked
// member by member before anything happens.

import { isSluiceError } from '../base/errors.ts';
import { isObject } from './send-request.ts';
import type { Simulator } from './simulator.ts';
import type { CustomerMessage, SendFault, WebhookFaults } from './types.ts';

type JsonObject = Readonly<Record<string, unknown>>;

export type ActionResult =
  | { readonly ok: true; readonly mid?: string }
  | { readonly ok: false; readonly error: string };

type Action = (
  simulator: Simulator,
  page: string,
  user: string,
  action: JsonObject,
) => string | boolean | undefined;

/** A customer's text, as long as Messenger itself lets it be. */
const CUSTOMER_TEXT_CHARS_MAX = 20_000;

const ACTIONS: Readonly<Record<string, Action>> = {
  text(simulator, page, user, { text, replyTo }) {
    if (typeof text !== 'string' || text.trim() === '') return undefined;
    if (text.length > CUSTOMER_TEXT_CHARS_MAX) return undefined;
    const content: CustomerMessage = typeof replyTo === 'string' ? { text, replyTo } : { text };
    return simulator.customerSends(page, user, content);
  },
  image(simulator, page, user, { url }) {
    if (typeof url !== 'string' || !/^https?:\/\/\S{1,2000}$/.test(url)) return undefined;
    return simulator.customerSends(page, user, { imageUrl: url });
  },
  sticker: (simulator, page, user) => simulator.customerSends(page, user, { sticker: 'like' }),
  quickReply(simulator, page, user, { title, payload }) {
    if (typeof title !== 'string' || typeof payload !== 'string') return undefined;
    return simulator.customerSends(page, user, { quickReply: { title, payload } });
  },
  postback(simulator, page, user, { title, payload }) {
    if (typeof title !== 'string' || typeof payload !== 'string') return undefined;
    return simulator.customerTaps(page, user, title, payload);
  },
  react(simulator, page, user, { mid, emoji }) {
    if (typeof mid !== 'string') return undefined;
    const given = typeof emoji === 'string' && emoji !== '' ? emoji.slice(0, 16) : undefined;
    return simulator.customerReacts(page, user, mid, given);
  },
  edit(simulator, page, user, { mid, text }) {
    if (typeof mid !== 'string' || typeof text !== 'string') return undefined;
    return simulator.customerEdits(page, user, mid, text.slice(0, CUSTOMER_TEXT_CHARS_MAX));
  },
  read(simulator, page, user) {
    simulator.customerReads(page, user);
    return true;
  },
  inbox(simulator, page, user, { text }) {
    if (typeof text !== 'string' || text.trim() === '') return undefined;
    return simulator.inboxSends(page, user, text.slice(0, CUSTOMER_TEXT_CHARS_MAX));
  },
};

/** Never throws. */
export function performAction(simulator: Simulator, action: unknown): ActionResult {
  if (!isObject(action)) return fail('An action is an object.');
  const { type, page, user } = action;
  const perform =
    typeof type === 'string' && Object.hasOwn(ACTIONS, type) ? ACTIONS[type] : undefined;
  if (perform === undefined) return fail('Unknown action.');
  if (typeof page !== 'string' || typeof user !== 'string')
    return fail('page and user are missing.');
  return guarded(() => {
    const result = perform(simulator, page, user, action);
    if (typeof result === 'string') return { ok: true, mid: result };
    return result === true ? { ok: true } : fail('The action is not possible so.');
  });
}

/** `{"send": fault, "times": 1, "webhooks": {…}, "clear": true}`; members may be left out. */
export function performFaults(simulator: Simulator, request: unknown): ActionResult {
  if (!isObject(request)) return fail('Faults are an object.');
  const { send, times, webhooks, clear } = request;
  return guarded(() => {
    if (clear === true) simulator.faults.clear();
    if (send !== undefined) {
      const fault = sendFaultOf(send);
      if (fault === undefined) return fail('Unknown fault.');
      simulator.faults.nextSend(fault, typeof times === 'number' ? times : 1);
    }
    if (isObject(webhooks)) simulator.faults.setWebhooks(webhookFaultsOf(webhooks));
    return { ok: true };
  });
}

function sendFaultOf(value: unknown): SendFault | undefined {
  if (!isObject(value)) return undefined;
  const { kind, code, subcode, status, transient, sent, ms } = value;
  const extras = {
    ...(typeof status === 'number' ? { status } : undefined),
    ...(typeof sent === 'boolean' ? { sent } : undefined),
  };
  switch (kind) {
    case 'error':
      if (typeof code !== 'number') return undefined;
      return {
        kind,
        code,
        ...extras,
        ...(typeof subcode === 'number' ? { subcode } : undefined),
        ...(typeof transient === 'boolean' ? { transient } : undefined),
      };
    case 'status':
      return typeof status === 'number' ? { kind, ...extras, status } : undefined;
    case 'reset':
      return typeof sent === 'boolean' ? { kind, sent } : { kind };
    case 'lost_answer':
    case 'drop_echo':
    case 'echo_first':
      return { kind };
    case 'delay_echo':
    case 'slow':
      return typeof ms === 'number' ? { kind, ms } : undefined;
    default:
      return undefined;
  }
}

function webhookFaultsOf({ duplicate, shuffle, slowMs, hold }: JsonObject): Partial<WebhookFaults> {
  return {
    ...(typeof duplicate === 'boolean' ? { duplicate } : undefined),
    ...(typeof shuffle === 'boolean' ? { shuffle } : undefined),
    ...(typeof hold === 'boolean' ? { hold } : undefined),
    ...(typeof slowMs === 'number' ? { slowMs } : undefined),
  };
}

/** Refusals of the rooms below are answers here. */
function guarded(perform: () => ActionResult): ActionResult {
  try {
    return perform();
  } catch (error) {
    if (isSluiceError(error)) return fail(error.message);
    throw error;
  }
}

function fail(error: string): ActionResult {
  return { ok: false, error };
}
