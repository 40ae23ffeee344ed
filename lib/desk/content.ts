// Checks what an agent wants to send before anything is stored: shape first, then limits (messenger.md 4.1).
// Each refusal names the field and the bound, never the value.

import { isObject } from './fields.ts';
import {
  ATTACHMENT_URL_CHARS_MAX,
  QUICK_REPLIES_MAX,
  QUICK_REPLY_PAYLOAD_CHARS_MAX,
  QUICK_REPLY_TITLE_CHARS_MAX,
  REPLY_TO_CHARS_MAX,
  TEXT_CHARS_MAX,
} from './limits.ts';
import type { OutgoingContent } from './records.ts';
import { type Refusal, refuse } from './refusal.ts';

export type ContentResult =
  | { readonly ok: true; readonly content: OutgoingContent }
  | { readonly ok: false; readonly error: Refusal };

type Attachment = NonNullable<OutgoingContent['attachment']>;
type QuickReply = NonNullable<OutgoingContent['quickReplies']>[number];
type Checked<T> = T | Refusal;

const ATTACHMENT_TYPES: ReadonlySet<string> = new Set(['image', 'audio', 'video', 'file']);

/**
 * Checks the `message` of a send and copies what is known of it; unknown fields are dropped.
 * @returns bad_request (shape, empty, bounds) or too_long (text over TEXT_CHARS_MAX UTF-16 units, data {limit})
 */
export function checkContent(message: unknown): ContentResult {
  if (!isObject(message)) return bad('message must be an object.');
  const text = checkText(message['text']);
  if (isRefusal(text)) return { ok: false, error: text };
  const attachment = checkAttachment(message['attachment']);
  if (isRefusal(attachment)) return { ok: false, error: attachment };
  const quickReplies = checkQuickReplies(message['quickReplies']);
  if (isRefusal(quickReplies)) return { ok: false, error: quickReplies };
  const replyTo = checkReplyTo(message['replyTo']);
  if (isRefusal(replyTo)) return { ok: false, error: replyTo };
  if (text === undefined && attachment === undefined) {
    return bad('message needs a text or an attachment.');
  }
  if (text !== undefined && attachment !== undefined) {
    return bad('message takes a text or an attachment, not both: send two messages.');
  }
  return {
    ok: true,
    content: {
      ...(text === undefined ? {} : { text }),
      ...(attachment === undefined ? {} : { attachment }),
      ...(quickReplies === undefined ? {} : { quickReplies }),
      ...(replyTo === undefined ? {} : { replyTo: replyTo.mid }),
    },
  };
}

function checkText(value: unknown): Checked<string> | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string') return wrong('message.text must be a string.');
  if (value.trim() === '') return wrong('message.text is empty.');
  if (value.length <= TEXT_CHARS_MAX) return value;
  return refuse('too_long', `message.text is longer than ${TEXT_CHARS_MAX} characters.`, {
    limit: TEXT_CHARS_MAX,
  });
}

function checkAttachment(value: unknown): Checked<Attachment> | undefined {
  if (value === undefined) return undefined;
  if (!isObject(value)) return wrong('message.attachment must be an object.');
  const { type, url } = value;
  if (!isAttachmentType(type)) {
    return wrong('message.attachment.type must be image, audio, video or file.');
  }
  if (typeof url !== 'string' || !isWebAddress(url)) {
    return wrong('message.attachment.url must be an http or https address.');
  }
  if (url.length > ATTACHMENT_URL_CHARS_MAX) {
    return wrong(`message.attachment.url is longer than ${ATTACHMENT_URL_CHARS_MAX} characters.`);
  }
  return { type, url };
}

function checkQuickReplies(value: unknown): readonly QuickReply[] | Refusal | undefined {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return undefined;
  if (!Array.isArray(value)) return wrong('message.quickReplies must be a list.');
  if (value.length > QUICK_REPLIES_MAX) {
    return wrong(`message.quickReplies takes at most ${QUICK_REPLIES_MAX}.`);
  }
  const replies: QuickReply[] = [];
  for (const member of value) {
    const reply = checkQuickReply(member);
    if (isRefusal(reply)) return reply;
    replies.push(reply);
  }
  return replies;
}

function checkQuickReply(value: unknown): Checked<QuickReply> {
  if (!isObject(value)) return wrong('A quick reply must be an object.');
  const { title, payload } = value;
  if (typeof title !== 'string' || title === '' || title.length > QUICK_REPLY_TITLE_CHARS_MAX) {
    return wrong(`A quick reply's title takes 1 to ${QUICK_REPLY_TITLE_CHARS_MAX} characters.`);
  }
  const isPayload = typeof payload === 'string' && payload !== '';
  if (!isPayload || payload.length > QUICK_REPLY_PAYLOAD_CHARS_MAX) {
    return wrong(`A quick reply's payload takes 1 to ${QUICK_REPLY_PAYLOAD_CHARS_MAX} characters.`);
  }
  return { title, payload };
}

function checkReplyTo(value: unknown): Checked<{ readonly mid: string }> | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string' && value !== '' && value.length <= REPLY_TO_CHARS_MAX) {
    return { mid: value };
  }
  return wrong(`message.replyTo must be a message id of 1 to ${REPLY_TO_CHARS_MAX} characters.`);
}

function isAttachmentType(value: unknown): value is Attachment['type'] {
  return typeof value === 'string' && ATTACHMENT_TYPES.has(value);
}

function isWebAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol } = new URL(text);
  return protocol === 'http:' || protocol === 'https:';
}

function isRefusal(value: unknown): value is Refusal {
  return isObject(value) && typeof value['code'] === 'string' && 'retryable' in value;
}

function wrong(message: string): Refusal {
  return refuse('bad_request', message);
}

function bad(message: string): ContentResult {
  return { ok: false, error: wrong(message) };
}
