// Reads and judges the body of POST /PAGE/messages as Meta does (messenger.md 4.1, 4.2). Pure.

import { type GraphRefusal, invalid, REFUSALS } from './graph-errors.ts';
import {
  METADATA_CHARS_BELOW,
  QUICK_REPLIES_MAX,
  QUICK_REPLY_PAYLOAD_CHARS_MAX,
  QUICK_REPLY_TITLE_CHARS_MAX,
  TEXT_CHARS_BELOW,
} from './limits.ts';
import type { PhoneAttachment, QuickReply } from './types.ts';

type JsonObject = Readonly<Record<string, unknown>>;

export interface OutgoingMessage {
  readonly text?: string;
  readonly attachments?: readonly PhoneAttachment[];
  readonly quickReplies?: readonly QuickReply[];
  readonly metadata?: string;
  readonly replyTo?: string;
  readonly tag?: string;
}

export type SendRequest =
  | { readonly kind: 'message'; readonly user: string; readonly message: OutgoingMessage }
  | { readonly kind: 'action'; readonly user: string; readonly action: string }
  | {
      readonly kind: 'reaction';
      readonly user: string;
      readonly mid: string;
      /** undefined takes the reaction back. */
      readonly emoji: string | undefined;
    };

/** A value, or why Meta says no. */
export type Judged<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly error: GraphRefusal };

const ACTIONS: readonly string[] = ['typing_on', 'typing_off', 'mark_seen'];
const TYPES: readonly string[] = ['RESPONSE', 'UPDATE', 'MESSAGE_TAG', 'UTILITY'];
const ATTACHMENTS: readonly string[] = ['image', 'audio', 'video', 'file'];
/** The other tags ended on 2026-04-27. */
const TAGS: readonly string[] = ['HUMAN_AGENT', 'CUSTOMER_FEEDBACK'];

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function judgeSend(body: unknown): Judged<SendRequest> {
  if (!isObject(body)) return no('The body is not an object.');
  const user = recipientOf(body['recipient']);
  if (user === undefined) return no('The parameter recipient is required.');
  const action = body['sender_action'];
  if (action === undefined) return judgeMessage(body, user);
  if (body['message'] !== undefined) return { ok: false, error: REFUSALS.both };
  if (action === 'react' || action === 'unreact') return judgeReaction(body, user, action);
  if (typeof action !== 'string' || !ACTIONS.includes(action)) return no('Unknown sender_action.');
  return yes({ kind: 'action', user, action });
}

function judgeReaction(body: JsonObject, user: string, action: string): Judged<SendRequest> {
  const payload = isObject(body['payload']) ? body['payload'] : {};
  const { message_id: mid, reaction } = payload;
  if (typeof mid !== 'string') return no('payload.message_id is required.');
  if (action === 'react' && typeof reaction !== 'string')
    return no('payload.reaction is required.');
  const emoji = action === 'react' ? String(reaction) : undefined;
  return yes({ kind: 'reaction', user, mid, emoji });
}

function judgeMessage(body: JsonObject, user: string): Judged<SendRequest> {
  const { message, messaging_type: type } = body;
  if (!isObject(message)) return no('The parameter message is required.');
  if (typeof type !== 'string' || !TYPES.includes(type)) return no('messaging_type is not valid.');
  const tag = judgeTag(type, body['tag']);
  if (!tag.ok) return tag;
  const replyTo = isObject(body['reply_to']) ? body['reply_to']['mid'] : undefined;
  if (body['reply_to'] !== undefined && typeof replyTo !== 'string')
    return no('reply_to is not valid.');
  const content = judgeContent(message);
  if (!content.ok) return content;
  const extras = judgeExtras(message);
  if (!extras.ok) return extras;
  const value = {
    ...content.value,
    ...extras.value,
    ...(typeof replyTo === 'string' ? { replyTo } : undefined),
    ...(tag.value === '' ? undefined : { tag: tag.value }),
  };
  return yes({ kind: 'message', user, message: value });
}

/** @returns '' without a tag */
function judgeTag(type: string, tag: unknown): Judged<string> {
  if (type !== 'MESSAGE_TAG') return tag === undefined ? yes('') : no('tag needs MESSAGE_TAG.');
  return typeof tag === 'string' && TAGS.includes(tag) ? yes(tag) : no('Invalid message tag.');
}

function judgeContent(message: JsonObject): Judged<OutgoingMessage> {
  const { text, attachment } = message;
  if (text !== undefined && attachment !== undefined)
    return no('Text and attachment exclude each other.');
  if (attachment !== undefined) return judgeAttachment(attachment);
  if (typeof text !== 'string' || text.trim() === '') return no('The message must not be empty.');
  if (text.length >= TEXT_CHARS_BELOW) {
    return no(`Length of param message[text] must be less than ${TEXT_CHARS_BELOW}.`);
  }
  return yes({ text });
}

function judgeAttachment(attachment: unknown): Judged<OutgoingMessage> {
  if (!isObject(attachment)) return no('attachment is not an object.');
  const { type, payload } = attachment;
  const url = isObject(payload) ? payload['url'] : undefined;
  if (typeof type !== 'string' || !ATTACHMENTS.includes(type))
    return no('attachment.type is not valid.');
  if (typeof url !== 'string' || !/^https?:\/\/\S+$/.test(url))
    return no('payload.url is not valid.');
  return yes({ attachments: [{ type, url }] });
}

function judgeExtras(message: JsonObject): Judged<OutgoingMessage> {
  const { metadata, quick_replies: list } = message;
  if (metadata !== undefined) {
    const isValid = typeof metadata === 'string' && metadata.length < METADATA_CHARS_BELOW;
    if (!isValid)
      return no(`metadata must be a text of less than ${METADATA_CHARS_BELOW} characters.`);
  }
  const extras = typeof metadata === 'string' ? { metadata } : {};
  if (list === undefined) return yes(extras);
  if (!Array.isArray(list) || list.length === 0 || list.length > QUICK_REPLIES_MAX) {
    return no(`quick_replies must be a list of 1 to ${QUICK_REPLIES_MAX}.`);
  }
  const quickReplies: QuickReply[] = [];
  for (const item of list) {
    const reply = quickReplyOf(item);
    if (reply === undefined) return no('A quick reply is not valid.');
    quickReplies.push(reply);
  }
  return yes({ ...extras, quickReplies });
}

function quickReplyOf(item: unknown): QuickReply | undefined {
  if (!isObject(item) || item['content_type'] !== 'text') return undefined;
  const { title, payload } = item;
  if (typeof title !== 'string' || typeof payload !== 'string') return undefined;
  if (title === '' || title.length > QUICK_REPLY_TITLE_CHARS_MAX) return undefined;
  return payload.length > QUICK_REPLY_PAYLOAD_CHARS_MAX ? undefined : { title, payload };
}

function recipientOf(recipient: unknown): string | undefined {
  const id = isObject(recipient) ? recipient['id'] : undefined;
  if (typeof id === 'number') return String(id);
  return typeof id === 'string' && id !== '' ? id : undefined;
}

function yes<Value>(value: Value): Judged<Value> {
  return { ok: true, value };
}

function no(why: string): { readonly ok: false; readonly error: GraphRefusal } {
  return { ok: false, error: invalid(why) };
}
