// Joins the desk's outbox with Meta's client: the content becomes a Graph call, and the class of a refusal
// becomes what the desk does next (messenger.md 5.2). The only place that knows both rooms' words.

import type { PostOutcome, PostPort } from '../desk/ports.ts';
import type { MessageError } from '../desk/records.ts';
import type { GraphClient, GraphErrorClass, GraphFailure } from '../messenger/types.ts';
import type { GatewayCounters } from './stats.ts';

type Refused = Extract<PostOutcome, { readonly outcome: 'refused' }>;
type Decision = Pick<Refused, 'policy' | 'alarm'>;

/** messenger.md 5.2. 'O' fails: an agent can take the thread over, waiting alone would not help. */
const DECISIONS: Readonly<Record<GraphErrorClass, Decision>> = {
  L: { policy: 'pausePage' },
  R: { policy: 'retry' },
  T: { policy: 'pausePage', alarm: 'token' },
  X: { policy: 'pausePage', alarm: 'restricted' },
  W: { policy: 'fail' },
  B: { policy: 'fail' },
  P: { policy: 'fail' },
  O: { policy: 'fail' },
  U: { policy: 'fail' },
};

/**
 * Too many tagged messages to one person; an automated lead flow that ends by itself: the thread
 * waits.
 */
const THREAD_SUBCODES: ReadonlySet<number> = new Set([2_018_338, 2_018_321]);
/** The token is sound, something that it may do is missing. */
const PERMISSION_CODES: ReadonlySet<number> = new Set([1, 2, 3, 10, 200, 36_103]);

/** The port through which the outbox posts. */
export function createPostPort(
  graph: Pick<GraphClient, 'send'>,
  counters: GatewayCounters,
): PostPort {
  return {
    async post({ page, user, content, metadata }) {
      const result = await graph.send({ page, user, message: content, metadata });
      if (result.outcome === 'sent') {
        counters.postsSent += 1;
        return result;
      }
      const error = toMessageError(result.error);
      if (result.outcome === 'unknown') {
        counters.postsUnknown += 1;
        return { outcome: 'unknown', error, waitForEcho: true };
      }
      counters.postsRefused += 1;
      const { retryAfterMs } = result.error;
      const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
      return { outcome: 'refused', error, ...decide(result.error), ...wait };
    },
  };
}

/** What the desk does after a refusal. */
export function decide(failure: GraphFailure): Decision {
  const { code, subcode } = failure.meta ?? {};
  const isOfThread = THREAD_SUBCODES.has(subcode ?? 0) || THREAD_SUBCODES.has(code ?? 0);
  if (isOfThread && (failure.class === 'L' || failure.class === 'O'))
    return { policy: 'pauseThread' };
  const isPermission = failure.class === 'T' && PERMISSION_CODES.has(code ?? 0);
  return isPermission ? { policy: 'pausePage', alarm: 'permission' } : DECISIONS[failure.class];
}

function toMessageError(failure: GraphFailure): MessageError {
  const { code, message, retryable, meta } = failure;
  return meta === undefined ? { code, message, retryable } : { code, message, retryable, meta };
}
