// The events around a conversation: referrals, opt-ins, hand-overs, policy, orders, feedback, leads.
// Shapes: messenger.md 3.4. Tokens and codes that open something are left out: agents need none of them.

import { viewProduct, viewReferral } from './attachments.ts';
import { draft, type EventReader, type EventSource } from './event-draft.ts';
import { whoOf } from './event-message.ts';
import { boundedOf, defined, hashOf, idOf, isObject, keyPart, listOf, textOf } from './fields.ts';

/** Answers of one lead that are kept. */
const LEAD_ANSWERS_MAX = 100;
/** Products of one cart that are kept. */
const PRODUCTS_MAX = 200;

/** Meta gives these no id: name, people, time and content together stand for one. */
function contentKey(name: string, source: EventSource, content: unknown): string {
  return `${name}:${source.asset}:${whoOf(source)}:${source.stamp}:${hashOf(content)}`;
}

/**
 * A link into the thread; a completed lead ad comes the same way. An ad alone does not open the
 * window.
 */
export const readReferral: EventReader = (referral, source) => {
  const view = viewReferral(referral);
  if (view === undefined) return undefined;
  const { ref, type, adId } = view;
  const key = contentKey('referral', source, { ref, source: view.source, type, adId });
  if (type?.startsWith('LEAD_')) {
    return draft('lead', { at: source.at, ...view, answers: answersOf(source) }, key);
  }
  const opensWindow = source.user !== undefined && view.source !== 'ADS';
  return draft('referral', { at: source.at, ...view }, key, opensWindow);
};

function answersOf(source: EventSource): readonly unknown[] {
  const lead = source.event['lead'];
  if (!isObject(lead)) return [];
  return listOf(lead['data'])
    .slice(0, LEAD_ANSWERS_MAX)
    .filter(isObject)
    .map((item) => defined({ question: textOf(item['question']), answer: textOf(item['answer']) }));
}

export const readOptin: EventReader = (optin, source) => {
  const data = defined({
    at: source.at,
    type: textOf(optin['type']) ?? 'unknown',
    payload: textOf(optin['payload']),
    status: textOf(optin['notification_messages_status']) ?? textOf(optin['user_token_status']),
    title: textOf(optin['title']),
    ref: textOf(optin['ref']),
    topic: textOf(optin['notification_messages_topic']),
    userRef: source.userRef,
  });
  const { type, payload, status, title, ref } = data;
  return draft('optin', data, contentKey('optin', source, { type, payload, status, title, ref }));
};

export const readAccountLinking: EventReader = (linking, source) => {
  const status = textOf(linking['status']);
  if (status === undefined) return undefined;
  const key = contentKey('account_linking', source, { status });
  return draft('account', { at: source.at, status }, key);
};

export const readPass: EventReader = (value, source) =>
  readHandover('pass', value['previous_owner_app_id'], value['new_owner_app_id'], value, source);

export const readTake: EventReader = (value, source) =>
  readHandover('take', value['previous_owner_app_id'], value['new_owner_app_id'], value, source);

/** `to` is the app that would like to have the thread. */
export const readRequest: EventReader = (value, source) =>
  readHandover('request', undefined, value['requested_owner_app_id'], value, source);

function readHandover(
  action: 'pass' | 'take' | 'request',
  previous: unknown,
  next: unknown,
  value: Parameters<EventReader>[0],
  source: EventSource,
): ReturnType<EventReader> {
  const from = idOf(previous);
  const to = idOf(next);
  const metadata = textOf(value['metadata']);
  const owners = `${keyPart(from ?? '')}:${keyPart(to ?? '')}`;
  const key = `tc:${source.asset}:${whoOf(source)}:${action}:${owners}:${source.stamp}`;
  return draft('handover', defined({ at: source.at, action, from, to, metadata }), key);
}

export const readRoles: EventReader = (roles, source) =>
  draft(
    'roles',
    { at: source.at, roles: boundedOf(roles) ?? {} },
    `pol:${source.asset}:app_roles:${source.stamp}`,
  );

export const readPolicy: EventReader = (policy, source) => {
  const action = textOf(policy['action']);
  if (action === undefined) return undefined;
  const data = defined({ at: source.at, action, reason: textOf(policy['reason']) });
  return draft('policy', data, `pol:${source.asset}:${keyPart(action)}:${source.stamp}`);
};

export const readFeedback: EventReader = (feedback, source) => {
  const screens = boundedOf(feedback['feedback_screens']);
  const key = `fb:${source.asset}:${whoOf(source)}:${hashOf(feedback['feedback_screens'])}`;
  return draft('feedback', defined({ at: source.at, screens }), key);
};

export const readRating: EventReader = (rating, source) => {
  const feedback = textOf(rating['feedback']);
  const mid = textOf(rating['mid']);
  const key = contentKey('response_feedback', source, { feedback, mid });
  return draft('feedback', defined({ at: source.at, feedback, mid }), key);
};

export const readOrder: EventReader = (order, source) => {
  const products = listOf(order['products']).slice(0, PRODUCTS_MAX).map(viewProduct);
  const note = textOf(order['note']);
  const key = contentKey('order', source, { products, note });
  return draft('order', defined({ at: source.at, products, note }), key);
};

export const readCoupon: EventReader = (template, source) => {
  if (template['type'] !== 'coupon') return undefined;
  const payload = textOf(template['payload']);
  const coupon = textOf(template['coupon_code']);
  const key = contentKey('template', source, { payload, coupon });
  return draft('coupon', defined({ at: source.at, payload, coupon }), key);
};

export const readForm: EventReader = (form, source) => {
  const formId = idOf(form['id']);
  if (formId === undefined) return undefined;
  return draft('lead', { at: source.at, formId }, contentKey('form', source, { formId }));
};
