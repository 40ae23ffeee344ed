// The events that make up a conversation: messages, echoes, edits, deletions, taps, reactions, receipts.
// Shapes: messenger.md 3.3 and 3.4. Keys: 3.6, the same for `messaging` and `standby`.

import { isBlank, viewAttachments, viewReferral, viewReplyTo } from './attachments.ts';
import { draft, type EventDraft, type EventReader, type EventSource } from './event-draft.ts';
import {
  countOf,
  defined,
  hashOf,
  idOf,
  isObject,
  type JsonObject,
  keyPart,
  listOf,
  textOf,
  timeOf,
} from './fields.ts';
import type { AttachmentView } from './types.ts';

/** Metadata of our own sends starts with it. */
export const OWN_METADATA_PREFIX = 'gw:';

/** Business Suite, for Pages and for Instagram; the first is printed in two ways by Meta itself. */
const INBOX_APP_IDS: readonly string[] = ['263902037430900', '26390203743090', '1217981644879628'];

/**
 * Deletion and echo are looked at before anything else: neither is something that a customer
 * wrote.
 */
export const readMessage: EventReader = (message, source) => {
  const mid = textOf(message['mid']);
  if (mid === undefined) return undefined;
  if (message['is_deleted'] === true) {
    return draft('message.deleted', { mid, at: source.at }, `del:${source.asset}:${keyPart(mid)}`);
  }
  const key = `msg:${source.asset}:${keyPart(mid)}`;
  if (message['is_echo'] === true) return readEcho(message, mid, key, source);
  if (source.user === undefined) return undefined;
  return draft('message.received', viewReceived(message, mid, source), key, true);
};

function readEcho(message: JsonObject, mid: string, key: string, source: EventSource): EventDraft {
  const metadata = textOf(message['metadata']);
  if (metadata?.startsWith(OWN_METADATA_PREFIX)) {
    return draft('message.echo', { mid, at: source.at, metadata }, key);
  }
  const appId = idOf(message['app_id']);
  const isInbox = appId !== undefined && INBOX_APP_IDS.includes(appId);
  const data = defined({
    mid,
    at: source.at,
    text: textOf(message['text']),
    attachments: viewAttachments(message['attachments']),
    origin: isInbox ? 'page_inbox' : 'app',
    appId,
    replyTo: viewReplyTo(message['reply_to']),
  });
  return draft('message.outside', data, key);
}

/** The hot path: a text without anything else is built in one literal. */
function viewReceived(message: JsonObject, mid: string, source: EventSource): JsonObject {
  const text = textOf(message['text']);
  const hop = source.event['hop_context'];
  if (text !== undefined && hop === undefined && isPlain(message)) {
    return { mid, at: source.at, text };
  }
  const attachments = viewAttachments(message['attachments']);
  const quickReply = message['quick_reply'];
  const payload = isObject(quickReply) ? textOf(quickReply['payload']) : undefined;
  return defined({
    mid,
    at: source.at,
    text,
    attachments,
    quickReply: payload === undefined ? undefined : { payload },
    replyTo: viewReplyTo(message['reply_to']),
    referral: viewReferral(message['referral']),
    unsupported: isUnsupported(message, text, attachments) ? true : undefined,
    leadSummary: isObject(hop) ? true : undefined,
  });
}

function isPlain(message: JsonObject): boolean {
  for (const name in message) if (name !== 'mid' && name !== 'text') return false;
  return true;
}

/** Says so instead of leaving an empty bubble. */
function isUnsupported(
  message: JsonObject,
  text: string | undefined,
  attachments: readonly AttachmentView[] | undefined,
): boolean {
  if (message['is_unsupported'] === true) return true;
  return text === undefined && (attachments === undefined || attachments.every(isBlank));
}

export const readEdit: EventReader = (edit, source) => {
  const mid = textOf(edit['mid']);
  const number = countOf(edit['num_edit']);
  if (mid === undefined || number === undefined) return undefined;
  const text = typeof edit['text'] === 'string' ? edit['text'] : '';
  const key = `ed:${source.asset}:${keyPart(mid)}:${number}`;
  return draft('message.edited', { mid, at: source.at, text, edit: number }, key);
};

/**
 * On standby there is no payload; without a mid the title tells two taps apart, as it is on both.
 */
export const readPostback: EventReader = (postback, source) => {
  const mid = textOf(postback['mid']);
  const title = textOf(postback['title']) ?? '';
  const payload = textOf(postback['payload']);
  if (mid === undefined && title === '' && payload === undefined) return undefined;
  const referral = viewReferral(postback['referral']);
  const data = defined({
    mid,
    at: source.at,
    title,
    payload,
    referral,
    userRef: source.userRef,
  });
  const identity = mid === undefined ? `${source.stamp}:${hashOf(title)}` : keyPart(mid);
  const key = `pb:${source.asset}:${whoOf(source)}:${identity}`;
  return draft('postback', data, key, source.user !== undefined);
};

export const readReaction: EventReader = (reaction, source) => {
  const mid = textOf(reaction['mid']);
  const action = textOf(reaction['action']);
  if (mid === undefined || source.user === undefined) return undefined;
  if (action !== 'react' && action !== 'unreact') return undefined;
  const emoji = textOf(reaction['emoji']);
  const name = textOf(reaction['reaction']);
  const by = source.byAsset ? 'page' : 'customer';
  const data = defined({ mid, at: source.at, action, emoji, reaction: name, by });
  const what = keyPart(emoji ?? name ?? '');
  const key = `rx:${source.asset}:${source.user}:${keyPart(mid)}:${action}:${what}:${source.stamp}`;
  return draft('reaction', data, key, action === 'react' && !source.byAsset);
};

/** Without key: receipts are folded by their maximum. */
export const readDelivery: EventReader = (delivery, source) => {
  const mids = listOf(delivery['mids']).filter((mid) => textOf(mid) !== undefined);
  const watermark = timeOf(delivery['watermark']);
  if (source.user === undefined || (watermark === undefined && mids.length === 0)) return undefined;
  const data = { watermark: watermark ?? 0, ...(mids.length === 0 ? {} : { mids }) };
  return draft('message.delivered', data, undefined);
};

/** Messenger gives a watermark, Instagram the mid of one message. */
export const readRead: EventReader = (read, source) => {
  const watermark = timeOf(read['watermark']);
  const mid = textOf(read['mid']);
  if (source.user === undefined || (watermark === undefined && mid === undefined)) return undefined;
  if (mid === undefined) return draft('message.read', { watermark }, undefined);
  const key = `rd:${source.asset}:${source.user}:${keyPart(mid)}`;
  return draft('message.read', { watermark: watermark ?? 0, mid }, key);
};

/** The person's part of a key; plugin users have a reference only. */
export function whoOf(source: EventSource): string {
  return source.user ?? keyPart(source.userRef ?? '');
}
