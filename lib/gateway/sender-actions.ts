// Typing and mark_seen at Meta: best effort, bounded, nobody waits for them.

import { parseConversation } from '../base/ids.ts';
import type { ConversationState } from '../desk/conversation.ts';
import type { GraphClient, SenderAction } from '../messenger/types.ts';
import { ACTIONS_RUNNING_MAX } from './limits.ts';

export interface SenderActionsOptions {
  readonly graph: Pick<GraphClient, 'action'>;
  readonly stateOf: (conversation: string) => ConversationState | undefined;
  readonly isConfigured: (page: string) => boolean;
}

export class SenderActions {
  readonly #options: SenderActionsOptions;
  #running = 0;

  constructor(options: SenderActionsOptions) {
    this.#options = options;
  }

  /**
   * Shows `action` to the customer, unless another app has the thread or too many are under way.
   */
  act(conversation: string, action: SenderAction): void {
    const { graph, stateOf, isConfigured } = this.#options;
    const name = parseConversation(conversation);
    if (name?.user === undefined || !isConfigured(name.page)) return;
    if (stateOf(conversation)?.thread === 'other' || this.#running >= ACTIONS_RUNNING_MAX) return;
    this.#running += 1;
    const settle = (): void => {
      this.#running -= 1;
    };
    graph.action(name.page, name.user, action).then(settle, settle);
  }
}
