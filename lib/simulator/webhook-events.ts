// Elements of `messaging[]` as Meta builds them (messenger.md 3.3, 3.4). Pure.

import type { PhoneAttachment, PhoneMessage } from './types.ts';
import { numericId } from './wire.ts';

type Json = Readonly<Record<string, unknown>>;

/** The subscription that an event belongs to (messenger.md 1.4). */
export const FIELDS = [
  'messages',
  'message_echoes',
  'message_deliveries',
  'message_reads',
  'message_reactions',
  'message_edits',
  'messaging_postbacks',
] as const;

export type WebhookField = (typeof FIELDS)[number];

export interface WebhookEvent {
  readonly page: string;
  readonly user: string;
  readonly field: WebhookField;
  readonly event: Json;
}

interface Place {
  readonly page: string;
  readonly user: string;
  readonly at: number;
}

export function messageEvent(place: Place, message: PhoneMessage, payload?: string): WebhookEvent {
  const body = {
    mid: message.mid,
    text: message.text,
    quick_reply: payload === undefined ? undefined : { payload },
    reply_to: message.replyTo === undefined ? undefined : { mid: message.replyTo },
    attachments: message.attachments?.map(attachmentOf),
  };
  return fromCustomer(place, 'messages', { message: body });
}

/** Sender and recipient change places. */
export function echoEvent(
  place: Place,
  message: PhoneMessage,
  appId: string,
  metadata: string | undefined,
): WebhookEvent {
  const body = {
    mid: message.mid,
    is_echo: true,
    text: message.text,
    attachments: message.attachments?.map(attachmentOf),
    reply_to: message.replyTo === undefined ? undefined : { mid: message.replyTo },
    metadata,
    app_id: numericId(appId),
  };
  const { page, user, at } = place;
  const event = { sender: { id: page }, recipient: { id: user }, timestamp: at, message: body };
  return { page, user, field: 'message_echoes', event };
}

/** Without a timestamp, as in Meta's own example. */
export function deliveryEvent(place: Place, mids: readonly string[]): WebhookEvent {
  const { page, user, at } = place;
  const event = {
    sender: { id: user },
    recipient: { id: page },
    delivery: { mids, watermark: at },
  };
  return { page, user, field: 'message_deliveries', event };
}

export function readEvent(place: Place, watermark: number): WebhookEvent {
  return fromCustomer(place, 'message_reads', { read: { watermark } });
}

const NAMES: Readonly<Record<string, string>> = {
  '❤': 'love',
  '😆': 'smile',
  '😮': 'wow',
  '😢': 'sad',
  '😠': 'angry',
  '👍': 'like',
  '👎': 'dislike',
};

/** Taking a reaction back names neither emoji nor reaction. */
export function reactionEvent(place: Place, mid: string, emoji: string | undefined): WebhookEvent {
  const name = emoji === undefined ? undefined : (NAMES[emoji.replace('\ufe0f', '')] ?? 'other');
  const reaction =
    emoji === undefined
      ? { action: 'unreact', mid }
      : { reaction: name, emoji, action: 'react', mid };
  return fromCustomer(place, 'message_reactions', { reaction });
}

export function editEvent(place: Place, mid: string, text: string, edits: number): WebhookEvent {
  const edit = { mid, text, num_edit: edits };
  return fromCustomer(place, 'message_edits', { message_edit: edit });
}

export function postbackEvent(
  place: Place,
  mid: string,
  title: string,
  payload: string,
): WebhookEvent {
  return fromCustomer(place, 'messaging_postbacks', { postback: { mid, title, payload } });
}

function fromCustomer(place: Place, field: WebhookField, content: Json): WebhookEvent {
  const { page, user, at } = place;
  const event = { sender: { id: user }, recipient: { id: page }, timestamp: at, ...content };
  return { page, user, field, event };
}

function attachmentOf({ type, url, stickerId }: PhoneAttachment): Json {
  if (stickerId === undefined) return { type, payload: { url } };
  return { type, payload: { url, sticker_id: numericId(stickerId) } };
}
