// An outgoing message in its two forms (what the agent asked, what message.queued shows), its parts for
// Meta, and the metadata that joins an echo with a part. Pure; the splitting itself is injected.

import { type Data, isObject, objectAt, textAt } from './fields.ts';
import type { OutgoingContent, QueuedData } from './records.ts';

const METADATA = /^gw:([0-9A-Za-z]{1,64}):([0-9]{1,4})$/;

/** What Meta returns in the echo of a part: `gw:<message>:<part>`. */
export function metadataOf(message: string, part: number): string {
  return `gw:${message}:${part}`;
}

/** The message and part that metadata names; undefined when it is not ours. */
export function parseMetadata(
  metadata: string,
): { readonly message: string; readonly part: number } | undefined {
  const match = METADATA.exec(metadata);
  const message = match?.[1];
  return message === undefined ? undefined : { message, part: Number(match?.[2]) };
}

/** The part of message.queued that carries the content, as agents see it. */
export function queuedContent(
  content: OutgoingContent,
): Pick<QueuedData, 'text' | 'attachments' | 'quickReplies' | 'replyTo'> {
  const { text, attachment, quickReplies, replyTo } = content;
  return {
    ...(text === undefined ? {} : { text }),
    ...(attachment === undefined
      ? {}
      : { attachments: [{ index: 0, type: attachment.type, url: attachment.url }] }),
    ...(quickReplies === undefined ? {} : { quickReplies }),
    ...(replyTo === undefined ? {} : { replyTo: { mid: replyTo } }),
  };
}

/** The inverse of queuedContent: what the clerk sends. */
export function contentOfQueued(data: Data): OutgoingContent {
  const text = textAt(data, 'text');
  const attachment = firstAttachment(data);
  const quickReplies = quickRepliesAt(data);
  const reply = objectAt(data, 'replyTo');
  const replyTo = reply === undefined ? undefined : textAt(reply, 'mid');
  return {
    ...(text === undefined ? {} : { text }),
    ...(attachment === undefined ? {} : { attachment }),
    ...(quickReplies === undefined ? {} : { quickReplies }),
    ...(replyTo === undefined ? {} : { replyTo }),
  };
}

/** True when a repeated send asks for the same as the one that was queued. */
export function sameContent(queued: Data, content: OutgoingContent): boolean {
  return JSON.stringify(contentOfQueued(queued)) === JSON.stringify(normalContent(content));
}

/**
 * One call's content per part, in order: pieces of the text, then the attachment. The first part answers
 * `replyTo`, the last one carries the quick replies.
 */
export function partsOf(
  content: OutgoingContent,
  split: (text: string) => readonly string[],
): readonly OutgoingContent[] {
  const { text, attachment, quickReplies, replyTo } = content;
  const pieces: OutgoingContent[] =
    text === undefined ? [] : split(text).map((piece) => ({ text: piece }));
  if (attachment !== undefined) pieces.push({ attachment });
  return pieces.map((piece, index) => ({
    ...piece,
    ...(index === 0 && replyTo !== undefined ? { replyTo } : {}),
    ...(index === pieces.length - 1 && quickReplies !== undefined ? { quickReplies } : {}),
  }));
}

function normalContent(content: OutgoingContent): OutgoingContent {
  return contentOfQueued({ ...queuedContent(content) });
}

function firstAttachment(data: Data): OutgoingContent['attachment'] {
  const attachments = data['attachments'];
  const first: unknown = Array.isArray(attachments) ? attachments[0] : undefined;
  if (!isObject(first)) return undefined;
  const type = textAt(first, 'type');
  const url = textAt(first, 'url');
  if (url === undefined) return undefined;
  return { type: type === 'image' || type === 'audio' || type === 'video' ? type : 'file', url };
}

function quickRepliesAt(data: Data): OutgoingContent['quickReplies'] {
  const replies = data['quickReplies'];
  if (!Array.isArray(replies) || replies.length === 0) return undefined;
  return replies.filter(isObject).map((reply) => ({
    title: textAt(reply, 'title') ?? '',
    payload: textAt(reply, 'payload') ?? '',
  }));
}
