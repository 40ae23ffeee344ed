// What the gateway does at Meta: the clerk's port, sender actions, typing, profiles.

import { beforeEach, describe, expect, test } from 'vitest';
import { silentLog } from '../../../lib/base/log.ts';
import type { ConversationState } from '../../../lib/desk/conversation.ts';
import { emptyState } from '../../../lib/desk/fold.ts';
import {
  ACTIONS_RUNNING_MAX,
  PROFILE_REPEAT_MS,
  PROFILES_RUNNING_MAX,
  PROFILES_WAITING_MAX,
  TYPING_LIFE_MS,
  TYPING_MAX,
  TYPING_REPEAT_MS,
} from '../../../lib/gateway/limits.ts';
import { createPostPort, decide } from '../../../lib/gateway/post-port.ts';
import { Profiles } from '../../../lib/gateway/profiles.ts';
import { Scope } from '../../../lib/gateway/scope.ts';
import { SenderActions } from '../../../lib/gateway/sender-actions.ts';
import { createCounters } from '../../../lib/gateway/stats.ts';
import { TypingSignals } from '../../../lib/gateway/typing-signals.ts';
import type { NewRecord } from '../../../lib/journal/types.ts';
import type {
  CustomerProfile,
  GraphErrorClass,
  GraphFailure,
  SendOutcomeOfCall,
  SendRequest,
} from '../../../lib/messenger/types.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function failure(kind: GraphErrorClass, meta: GraphFailure['meta'] = {}): GraphFailure {
  return { class: kind, code: 'rejected', message: 'No.', retryable: false, meta };
}

describe('the post port', () => {
  const call = {
    page: '100',
    user: '7',
    content: { text: 'hi' },
    metadata: 'gw:1:0',
  };

  test.each([
    [{ outcome: 'sent', mid: 'm1' }, { outcome: 'sent', mid: 'm1' }, 'postsSent'],
    [
      { outcome: 'unknown', error: failure('U') },
      { outcome: 'unknown', waitForEcho: true, error: { code: 'rejected', message: 'No.' } },
      'postsUnknown',
    ],
    [
      { outcome: 'refused', error: { ...failure('L'), retryAfterMs: 900 } },
      { outcome: 'refused', policy: 'pausePage', retryAfterMs: 900 },
      'postsRefused',
    ],
  ] as [SendOutcomeOfCall, object, 'postsSent'][])(
    'turns %j into %j',
    async (outcome, expected, counter) => {
      const counters = createCounters();
      const requests: SendRequest[] = [];
      const send = (request: SendRequest): Promise<SendOutcomeOfCall> => {
        requests.push(request);
        return Promise.resolve(outcome);
      };
      expect(await createPostPort({ send }, counters).post(call)).toMatchObject(expected);
      expect(requests).toEqual([
        { page: '100', user: '7', message: { text: 'hi' }, metadata: 'gw:1:0' },
      ]);
      expect(counters[counter]).toBe(1);
    },
  );

  test.each([
    ['L', {}, 'pausePage', undefined],
    ['L', { code: 613, subcode: 2_018_338 }, 'pauseThread', undefined],
    ['R', {}, 'retry', undefined],
    ['T', { code: 190 }, 'pausePage', 'token'],
    ['T', { code: 10 }, 'pausePage', 'permission'],
    ['T', undefined, 'pausePage', 'token'],
    ['X', { code: 368 }, 'pausePage', 'restricted'],
    ['W', {}, 'fail', undefined],
    ['B', {}, 'fail', undefined],
    ['P', {}, 'fail', undefined],
    ['O', { code: 100, subcode: 2_534_037 }, 'fail', undefined],
    ['O', { code: 2_018_321 }, 'pauseThread', undefined],
  ] as [GraphErrorClass, GraphFailure['meta'], string, string | undefined][])(
    'class %s with %j: %s, alarm %s',
    (kind, meta, policy, alarm) => {
      expect(decide(failure(kind, meta))).toEqual(
        alarm === undefined ? { policy } : { policy, alarm },
      );
    },
  );
});

describe('sender actions', () => {
  test('are left out for other pages, other apps and when too many run', async () => {
    const done: ((ok: boolean) => void)[] = [];
    const state = emptyState('messenger/100/7', 0);
    const actions = new SenderActions({
      graph: { action: () => new Promise((resolve) => done.push(resolve)) },
      stateOf: () => state,
      isConfigured: (page) => page === '100',
    });
    actions.act('messenger/200/7', 'typing_on');
    actions.act('messenger/100', 'typing_on');
    state.thread = 'other';
    actions.act('messenger/100/7', 'typing_on');
    expect(done.length).toBe(0);
    state.thread = 'ours';
    for (let i = 0; i <= ACTIONS_RUNNING_MAX; i++) actions.act('messenger/100/7', 'mark_seen');
    expect(done.length).toBe(ACTIONS_RUNNING_MAX);
    done[0]?.(false);
    await settle();
    actions.act('messenger/100/7', 'mark_seen');
    expect(done.length).toBe(ACTIONS_RUNNING_MAX + 1);
  });
});

describe('typing', () => {
  const ann = { id: 'ann', name: 'Ann', role: 'agent' } as const;
  const bob = { id: 'bob', name: 'Bob', role: 'agent' } as const;

  function start() {
    const time = { now: 0 };
    const shown: string[] = [];
    const customer: boolean[] = [];
    const receiver = (person: typeof ann | typeof bob, pages: string[], name: string) => ({
      person,
      scope: new Scope(pages, 'agent'),
      hint: (text: string) => shown.push(`${name} ${JSON.parse(text).data.on}`),
    });
    const typing = new TypingSignals({
      receivers: () => [
        receiver(ann, ['100'], 'own'),
        receiver(bob, ['100'], 'bob'),
        receiver(bob, ['200'], 'foreign'),
      ],
      showCustomer: (_conversation, on) => customer.push(on),
      now: () => time.now,
    });
    return { typing, time, shown, customer };
  }

  test('is shown to others of the page, and again only after a while', () => {
    const { typing, time, shown, customer } = start();
    typing.note(ann, 'messenger/100/7', true);
    typing.note(ann, 'messenger/100/7', true);
    time.now = TYPING_REPEAT_MS;
    typing.note(ann, 'messenger/100/7', true);
    expect(shown).toEqual(['bob true', 'bob true']);
    typing.note(ann, 'messenger/100/7', false);
    typing.note(ann, 'messenger/100/7', false);
    expect(shown).toEqual(['bob true', 'bob true', 'bob false']);
    expect(customer).toEqual([true, true, false]);
  });

  test('is forgotten when it is not repeated', () => {
    const { typing, time, shown } = start();
    typing.note(ann, 'messenger/100/7', true);
    time.now = TYPING_LIFE_MS - 1;
    typing.sweep();
    expect(typing.size).toBe(1);
    time.now = TYPING_LIFE_MS;
    typing.sweep();
    expect(typing.size).toBe(0);
    expect(shown).toEqual(['bob true', 'bob false']);
  });

  test('is bounded', () => {
    const { typing } = start();
    for (let user = 0; user <= TYPING_MAX; user++) typing.note(ann, `messenger/300/${user}`, true);
    expect(typing.size).toBe(TYPING_MAX);
  });
});

describe('profiles', () => {
  let clock: ManualClock;
  let states: Map<string, ConversationState>;
  let asked: string[];
  let appended: NewRecord[];
  let open: ((profile: CustomerProfile | undefined) => void)[];
  let isFull: boolean;
  beforeEach(() => {
    clock = new ManualClock();
    states = new Map();
    asked = [];
    appended = [];
    open = [];
    isFull = false;
  });

  function start(): Profiles {
    return new Profiles({
      graph: {
        profile: (page, user) => {
          asked.push(`${page}/${user}`);
          return new Promise((resolve) => open.push(resolve));
        },
      },
      journal: {
        append: (records) => {
          if (isFull) return Promise.reject(new Error('full'));
          appended.push(...records);
          return Promise.resolve([]);
        },
      },
      stateOf: (conversation) => states.get(conversation),
      isConfigured: (page) => page === '100',
      clock,
      log: silentLog,
      counters: createCounters(),
    });
  }

  function know(conversation: string, name?: string, profileAt = clock.now()): void {
    const state = emptyState(conversation, 0);
    if (name !== undefined) Object.assign(state.customer, { name, profileAt });
    states.set(conversation, state);
  }

  const note = (profiles: Profiles, user: string, kind = 'message.received'): void =>
    profiles.note({ kind, conversation: `messenger/100/${user}` });

  test('are fetched once for a customer without a name, and stored', async () => {
    const profiles = start();
    know('messenger/100/7');
    note(profiles, '7');
    note(profiles, '7');
    expect(asked).toEqual(['100/7']);
    open[0]?.({ name: 'Cleo', picture: 'https://x' });
    await settle();
    expect(appended).toMatchObject([
      {
        conversation: 'messenger/100/7',
        kind: 'customer.updated',
        data: '{"name":"Cleo","picture":"https://x"}',
      },
    ]);
    note(profiles, '7');
    expect(asked.length).toBe(1);
  });

  test.each([
    ['message.outside', 'messenger/100/7'],
    ['message.delivered', 'messenger/100/7'],
    ['message.received', 'messenger/100'],
    ['message.received', 'messenger/200/7'],
  ])('are not fetched for %s of %s', async (kind, conversation) => {
    const profiles = start();
    know(conversation);
    profiles.note({ kind, conversation });
    await settle();
    expect(asked).toEqual([]);
  });

  test('of known customers are fetched again only when they are old', () => {
    const profiles = start();
    know('messenger/100/7', 'Cleo');
    note(profiles, '7');
    expect(asked).toEqual([]);
    know('messenger/100/8', 'Cleo', clock.now() - PROFILE_REPEAT_MS);
    note(profiles, '8');
    expect(asked).toEqual(['100/8']);
  });

  test('that Meta does not give are not asked for again for a day', async () => {
    const profiles = start();
    know('messenger/100/7');
    note(profiles, '7');
    open[0]?.(undefined);
    await settle();
    await clock.advance(PROFILE_REPEAT_MS - 1);
    note(profiles, '7');
    expect(asked.length).toBe(1);
    await clock.advance(1);
    note(profiles, '7');
    expect(asked.length).toBe(2);
    expect(appended).toEqual([]);
  });

  test('that are no news are not stored', async () => {
    const profiles = start();
    know('messenger/100/7', 'Cleo', clock.now() - PROFILE_REPEAT_MS);
    note(profiles, '7');
    open[0]?.({ name: 'Cleo' });
    await settle();
    expect(appended).toEqual([]);
  });

  test('that the journal did not take are asked for again', async () => {
    const profiles = start();
    know('messenger/100/7');
    isFull = true;
    note(profiles, '7');
    open[0]?.({ name: 'Cleo' });
    await settle();
    isFull = false;
    note(profiles, '7');
    expect(asked.length).toBe(2);
  });

  test('run a few at a time, and wait up to a bound', async () => {
    const profiles = start();
    const all = PROFILES_RUNNING_MAX + PROFILES_WAITING_MAX + 1;
    for (let user = 0; user < all; user++) {
      know(`messenger/100/${user}`);
      note(profiles, String(user));
    }
    expect(asked.length).toBe(PROFILES_RUNNING_MAX);
    expect(profiles.waiting).toBe(PROFILES_WAITING_MAX);
    open[0]?.(undefined);
    await settle();
    expect(asked.length).toBe(PROFILES_RUNNING_MAX + 1);
    profiles.stop();
    expect(profiles.waiting).toBe(0);
  });
});
