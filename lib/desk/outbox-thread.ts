// What the clerk remembers of a conversation while it is busy with it, or waits for it. Everything that
// must survive is in the journal; this may be lost at any time.

import type { ConversationState } from './conversation.ts';
import type { Call } from './outbox-call.ts';

export interface Thread {
  readonly conversation: string;
  readonly page: string;
  readonly user: string;
  /** An append or a call of it is under way; nothing else is begun for it. */
  isBusy: boolean;
  /** Set while its call is open at Meta. */
  call: Call | undefined;
  /** A confirmation by echo that is being stored before the answer came. */
  confirming: Promise<void> | undefined;
  /** When the echo of a call without recorded outcome is given up. */
  echoUntil: number | undefined;
}

export function newThread(state: ConversationState): Thread {
  return {
    conversation: state.conversation,
    page: state.page,
    user: state.user,
    isBusy: false,
    call: undefined,
    confirming: undefined,
    echoUntil: undefined,
  };
}
