// Bodies of the Send API (messenger.md 4.1), and the proof that a call comes from us (4.6).

import { createHmac } from 'node:crypto';
import type { SenderAction, SendRequest } from './types.ts';

/** `reply_to` stands beside the message, not in it. */
export function messageBody(request: SendRequest): string {
  const { message, tag } = request;
  return JSON.stringify({
    recipient: { id: request.user },
    messaging_type: tag === undefined ? 'RESPONSE' : 'MESSAGE_TAG',
    tag,
    message: {
      text: message.text,
      attachment: attachmentOf(message.attachment),
      quick_replies: message.quickReplies?.map(({ title, payload }) => ({
        content_type: 'text',
        title,
        payload,
      })),
      metadata: request.metadata,
    },
    reply_to: message.replyTo === undefined ? undefined : { mid: message.replyTo },
  });
}

function attachmentOf(attachment: SendRequest['message']['attachment']): unknown {
  if (attachment === undefined) return undefined;
  return { type: attachment.type, payload: { url: attachment.url } };
}

/** An action stands alone: with a message Meta refuses both. */
export function actionBody(user: string, action: SenderAction): string {
  return JSON.stringify({ recipient: { id: user }, sender_action: action });
}

/** appsecret_proof per token, computed once. Without a secret: the empty text. */
export class ProofCache {
  readonly #secret: string | undefined;
  readonly #proofs = new Map<string, string>();
  readonly #max: number;

  constructor(secret: string | undefined, max: number) {
    this.#secret = secret;
    this.#max = max;
  }

  /** The query parameter with its name, or ''. */
  parameterOf(token: string): string {
    if (this.#secret === undefined) return '';
    let proof = this.#proofs.get(token);
    if (proof === undefined) {
      proof = createHmac('sha256', this.#secret).update(token).digest('hex');
      // Tokens change rarely; starting over costs a few hashes.
      if (this.#proofs.size >= this.#max) this.#proofs.clear();
      this.#proofs.set(token, proof);
    }
    return `appsecret_proof=${proof}`;
  }
}
