// Edits and deletions as a conversation's line in the list needs them: what a customer changed or took back must
// not stay readable there. They are kept by mid for a while, since they may come before their message.

import type { ConversationView, EventMessage } from './protocol.ts';

/** Changed messages of a conversation that are remembered; beyond it the oldest goes. */
export const MID_CHANGES_MAX = 32;

/** Characters of a text that a line in the list keeps; the gateway's own lines are as long. */
export const LINE_CHARS_MAX = 200;

type Last = ConversationView['last'];

/** The beginning of a text, never half of a surrogate pair. */
export function cutLine(text: string): string {
  if (text.length <= LINE_CHARS_MAX) return text;
  const code = text.charCodeAt(LINE_CHARS_MAX - 1);
  return text.slice(0, code >= 0xd800 && code <= 0xdbff ? LINE_CHARS_MAX - 1 : LINE_CHARS_MAX);
}

interface Change {
  edit?: { readonly edit: number; readonly text: string };
  isDeleted: boolean;
}

export class MidChanges {
  readonly #changes = new Map<string, Change>();

  get size(): number {
    return this.#changes.size;
  }

  /** Notes a message.edited or message.deleted; of two edits the one with the greater number counts. */
  note({ kind, data }: EventMessage): void {
    const mid = String(data['mid'] ?? '');
    const change = this.#of(mid);
    if (kind === 'message.deleted') {
      change.isDeleted = true;
      return;
    }
    const edit = typeof data['edit'] === 'number' ? data['edit'] : 0;
    if (change.edit !== undefined && change.edit.edit >= edit) return;
    change.edit = { edit, text: cutLine(String(data['text'] ?? '')) };
  }

  /** The line with what is known of its message; the same object when that changes nothing. */
  applied(last: Last): Last {
    const change = last.mid === undefined ? undefined : this.#changes.get(last.mid);
    if (change === undefined) return last;
    const { edit, isDeleted } = change;
    const isNews = edit !== undefined && edit.edit > (last.edit ?? -1);
    const edited = isNews ? { ...last, ...edit } : last;
    return isDeleted ? { ...edited, text: '' } : edited;
  }

  #of(mid: string): Change {
    let change = this.#changes.get(mid);
    if (change === undefined) {
      change = { isDeleted: false };
      this.#changes.set(mid, change);
      if (this.#changes.size > MID_CHANGES_MAX) {
        for (const oldest of this.#changes.keys()) {
          this.#changes.delete(oldest);
          break;
        }
      }
    }
    return change;
  }
}
