// The clerk sends: order, parts, echoes, outcomes, restarts. No real time passes.

import { afterEach, describe, expect, test, vi } from 'vitest';
import { ClerkWorld, outcomes, userConversation } from './clerk-world.ts';
import { ANN, CONVERSATION, newRecord } from './memory-desk.ts';

const ECHO_WAIT_MS = 30_000;
const worlds: ClerkWorld[] = [];

function world(...args: ConstructorParameters<typeof ClerkWorld>): ClerkWorld {
  const made = new ClerkWorld(...args);
  worlds.push(made);
  return made;
}

afterEach(async () => {
  for (const { outbox, clock } of worlds.splice(0)) {
    const done = outbox.shutdown(1);
    await clock.advance(1);
    await done;
    expect(clock.timerCount).toBe(0);
  }
});

describe('a message', () => {
  test('is posted after its message.sending is durable, and sent after the answer', async () => {
    const { log, meta, settle, ...w } = bind(world());
    w.queue(['A']);
    await settle();
    expect(log.kinds()).toEqual(['message.queued', 'message.sending']);
    expect(meta.calls).toMatchObject([{ content: { text: 'A' }, metadata: 'gw:A:0' }]);
    meta.last().answer(outcomes.sent('mA'));
    await settle();
    expect(log.kinds()).toEqual(['message.queued', 'message.sending', 'message.sent']);
    expect(log.dataOf('message.sending')).toEqual([
      { message: 'A', part: 0, attempt: 1, sender: 'this' },
    ]);
    expect(log.dataOf('message.sent')).toMatchObject([{ message: 'A', mid: 'mA' }]);
    expect(w.outbox.waiting).toBe(0);
  });

  test('S20: goes out only after the one before it was answered', async () => {
    const { meta, settle, ...w } = bind(world());
    w.queue(['A', 'B', 'C']);
    for (const text of ['A', 'B', 'C']) {
      await settle();
      expect(meta.texts.at(-1)).toBe(text);
      meta.last().answer(outcomes.sent(`m${text}`));
    }
    await settle();
    expect(meta.openMax).toBe(1);
    expect(w.count('message.sent')).toBe(3);
  });

  test('does not wait for other conversations', async () => {
    const { meta, settle, ...w } = bind(world());
    w.queue(['A'], userConversation(1));
    w.queue(['B'], userConversation(2));
    await settle();
    expect(meta.texts).toEqual(['A', 'B']);
  });

  test('that is refused for good fails, and the next one goes on', async () => {
    const { meta, settle, ...w } = bind(world());
    w.queue(['A', 'B']);
    await settle();
    meta.last().answer(outcomes.refused('fail'));
    await settle();
    expect(w.status('A')).toBe('failed');
    expect(meta.texts).toEqual(['A', 'B']);
  });
});

describe('S41, S38: a message of several parts', () => {
  test('stays one message, with a call and a mid for each part', async () => {
    const { log, meta, settle, ...w } = bind(world());
    w.queue(['one|two|three']);
    for (const part of [0, 1, 2]) {
      await settle();
      expect(meta.last().metadata).toBe(`gw:onetwothree:${part}`);
      meta.last().answer(outcomes.sent(`p${part}`));
    }
    await settle();
    expect(meta.texts).toEqual(['one', 'two', 'three']);
    expect(log.dataOf('message.part')).toHaveLength(2);
    expect(log.dataOf('message.sent')).toMatchObject([{ mid: 'p0', mids: ['p0', 'p1', 'p2'] }]);
    expect(w.status('onetwothree')).toBe('sent');
  });

  test('that fails in the middle is resent from there, never from the start', async () => {
    const { log, meta, settle, ...w } = bind(world());
    w.queue(['one|two']);
    await settle();
    meta.last().answer(outcomes.sent('p0'));
    await settle();
    meta.last().answer(outcomes.refused('fail'));
    await settle();
    expect(w.status('onetwo')).toBe('failed');
    expect((await w.outbox.resolve(CONVERSATION, 'onetwo', 'resend', ANN)).ok).toBe(true);
    await settle();
    meta.last().answer(outcomes.sent('p1'));
    await settle();
    expect(meta.texts).toEqual(['one', 'two', 'two']);
    expect(log.dataOf('message.sent')).toMatchObject([{ mids: ['p0', 'p1'] }]);
  });
});

describe('S12, S36, S37: the echo and the answer', () => {
  test.each([
    { name: 'echo before the answer', steps: ['echo', 'answer'] },
    { name: 'echo after the answer', steps: ['answer', 'echo'] },
    { name: 'no answer, then the echo', steps: ['unknown', 'echo'] },
    { name: 'the echo, then no answer', steps: ['echo', 'unknown'] },
    { name: 'the echo, then a refusal', steps: ['echo', 'refused'] },
    { name: 'the echo twice', steps: ['echo', 'echo', 'answer', 'echo'] },
  ])('$name: one message.sent and one call', async ({ steps }) => {
    const { log, meta, settle, ...w } = bind(world());
    w.queue(['A']);
    await settle();
    for (const step of steps) {
      if (step === 'echo') w.echo('gw:A:0', 'mA');
      if (step === 'answer') meta.last().answer(outcomes.sent('mA'));
      if (step === 'unknown') meta.last().answer(outcomes.unknown());
      if (step === 'refused') meta.last().answer(outcomes.refused('fail'));
      await settle();
    }
    await w.clock.advance(2 * ECHO_WAIT_MS);
    expect(meta.calls).toHaveLength(1);
    expect(log.dataOf('message.sent')).toMatchObject([{ message: 'A', mid: 'mA' }]);
    expect(w.count('message.failed') + w.count('message.uncertain')).toBe(0);
  });

  test('the echo confirms while the call still hangs, the next message waits for its end', async () => {
    const { meta, settle, ...w } = bind(world());
    w.queue(['A', 'B']);
    await settle();
    w.echo('gw:A:0', 'mA');
    await settle();
    expect(w.status('A')).toBe('sent');
    expect(meta.texts).toEqual(['A']);
    meta.last().answer(outcomes.sent('mA'));
    await settle();
    expect(meta.texts).toEqual(['A', 'B']);
  });

  test('without an echo it becomes uncertain, is not resent, and the next one goes on', async () => {
    const { meta, settle, ...w } = bind(world());
    w.queue(['A', 'B']);
    await settle();
    meta.last().answer(outcomes.unknown());
    await settle();
    await w.clock.advance(ECHO_WAIT_MS - 1);
    expect([w.status('A'), meta.texts]).toEqual(['queued', ['A']]);
    await w.clock.advance(1);
    expect([w.status('A'), meta.texts]).toEqual(['uncertain', ['A', 'B']]);
  });

  test('an outcome that no echo can tell is uncertain at once', async () => {
    const { meta, settle, ...w } = bind(world());
    w.queue(['A']);
    await settle();
    meta.last().answer(outcomes.unknown(false));
    await settle();
    expect(w.status('A')).toBe('uncertain');
  });

  test.each(['uncertain', 'failed'])('a late echo makes an %s one sent', async (status) => {
    const { meta, settle, ...w } = bind(world());
    w.queue(['A']);
    await settle();
    const outcome = status === 'failed' ? outcomes.refused('fail') : outcomes.unknown(false);
    meta.last().answer(outcome);
    await settle();
    expect(w.status('A')).toBe(status);
    w.echo('gw:A:0', 'mA');
    await settle();
    expect([w.status('A'), meta.calls.length, w.outbox.waiting]).toEqual(['sent', 1, 0]);
  });

  test('an echo that comes while the uncertainty is being stored is not lost', async () => {
    const { meta, settle, ...w } = bind(world());
    w.queue(['A']);
    await settle();
    meta.last().answer(outcomes.unknown());
    await settle();
    await w.clock.advance(ECHO_WAIT_MS - 1);
    const append = w.log.append.bind(w.log);
    w.log.append = async (records) => {
      if (records[0]?.kind === 'message.uncertain') w.echo('gw:A:0', 'mA');
      return append(records);
    };
    await w.clock.advance(1);
    await settle();
    expect([w.status('A'), w.count('message.sent')]).toEqual(['sent', 1]);
  });

  test('S10: echoes cause no sends', async () => {
    const { meta, settle, ...w } = bind(world());
    w.echo('gw:NOBODY:0', 'm1');
    w.echo('', 'm2');
    await settle();
    expect([meta.calls.length, w.outbox.waiting]).toEqual([0, 0]);
  });

  test('an echo of an earlier attempt ends a resend before its call', async () => {
    const { meta, settle, ...w } = bind(world());
    w.queue(['A']);
    await settle();
    meta.last().answer(outcomes.unknown(false));
    await settle();
    const append = w.log.append.bind(w.log);
    w.log.append = async (records) => {
      if (records[0]?.kind === 'message.sending') w.echo('gw:A:0', 'mA');
      return append(records);
    };
    await w.outbox.resolve(CONVERSATION, 'A', 'resend', ANN);
    await settle();
    expect([meta.calls.length, w.status('A')]).toEqual([1, 'sent']);
  });
});

describe('a person resolves', () => {
  async function uncertain() {
    const w = bind(world());
    w.queue(['A', 'B']);
    await w.settle();
    w.meta.last().answer(outcomes.unknown(false));
    await w.settle();
    w.meta.last().answer(outcomes.sent('mB'));
    await w.settle();
    return w;
  }

  test('resend calls again, with the next attempt', async () => {
    const { log, meta, settle, ...w } = await uncertain();
    await w.outbox.resolve(CONVERSATION, 'A', 'resend', ANN);
    await settle();
    meta.last().answer(outcomes.sent('mA'));
    await settle();
    expect(meta.texts).toEqual(['A', 'B', 'A']);
    expect(log.dataOf('message.sending').map((data) => data['attempt'])).toEqual([1, 1, 2]);
    expect(w.status('A')).toBe('sent');
  });

  test('discard sends nothing more', async () => {
    const { meta, settle, ...w } = await uncertain();
    await w.outbox.resolve(CONVERSATION, 'A', 'discard', ANN);
    await settle();
    expect(meta.texts).toEqual(['A', 'B']);
    expect((await w.outbox.resolve(CONVERSATION, 'A', 'resend', ANN)).ok).toBe(false);
  });
});

describe('after a restart', () => {
  const queued = newRecord('message.queued', { message: 'A', request: 'r', by: ANN, text: 'A' });
  const next = newRecord('message.queued', { message: 'B', request: 's', by: ANN, text: 'B' });
  const begun = newRecord('message.sending', { message: 'A', part: 0, attempt: 1, sender: 'old' });

  function restarted(...records: Parameters<ClerkWorld['log']['commit']>[0][number][]) {
    const before = world();
    before.log.onCommit = () => undefined;
    before.log.commit(records);
    return bind(world({}, before.log));
  }

  test('what was not begun is sent', async () => {
    const { meta, settle } = restarted(queued);
    await settle();
    expect(meta.texts).toEqual(['A']);
  });

  test('what was begun is never called again: uncertain after the wait, then the next', async () => {
    const { meta, settle, ...w } = restarted(queued, next, begun);
    await settle();
    await w.clock.advance(ECHO_WAIT_MS - 1);
    expect([w.status('A'), meta.texts]).toEqual(['queued', []]);
    await w.clock.advance(1);
    expect([w.status('A'), meta.texts]).toEqual(['uncertain', ['B']]);
  });

  test('an echo during the wait makes it sent', async () => {
    const { meta, settle, ...w } = restarted(queued, next, begun);
    await w.clock.advance(ECHO_WAIT_MS - 1);
    w.echo('gw:A:0', 'mA');
    await settle();
    expect([w.status('A'), meta.texts]).toEqual(['sent', ['B']]);
  });

  test('an echo that was stored before makes it sent at once', async () => {
    const echo = newRecord('message.echo', { mid: 'mA', at: 1, metadata: 'gw:A:0' });
    const { meta, settle, ...w } = restarted(queued, begun, echo);
    await settle();
    expect([w.status('A'), meta.texts]).toEqual(['sent', []]);
  });

  test('an uncertain one whose echo was stored, but not its consequence, is found', async () => {
    const error = { code: 'unavailable', message: '', retryable: true };
    const uncertain = newRecord('message.uncertain', { message: 'A', error });
    const echo = newRecord('message.echo', { mid: 'mA', at: 1, metadata: 'gw:A:0' });
    const { settle, ...w } = restarted(queued, begun, uncertain, echo);
    await settle();
    expect(w.status('A')).toBe('sent');
  });
});

describe('a journal that cannot take records', () => {
  test('delays the call, and it is made once', async () => {
    const { log, meta, settle, ...w } = bind(world());
    log.failures = 3;
    w.queue(['A']);
    await settle();
    expect(meta.calls).toHaveLength(0);
    await w.clock.advance(60_000);
    expect([meta.calls.length, w.count('message.sending')]).toEqual([1, 1]);
  });

  test('delays the outcome, and nothing is called twice', async () => {
    const { log, meta, settle, ...w } = bind(world());
    w.queue(['A', 'B']);
    await settle();
    log.failures = 20;
    meta.last().answer(outcomes.sent('mA'));
    await settle();
    expect([w.status('A'), meta.texts]).toEqual(['queued', ['A']]);
    await w.clock.advance(120_000);
    expect([w.status('A'), meta.texts]).toEqual(['sent', ['A', 'B']]);
  });
});

describe('shutdown', () => {
  test('waits for the answer of an open call and begins nothing', async () => {
    const { meta, settle, ...w } = bind(world());
    w.queue(['A', 'B']);
    await settle();
    const done = w.outbox.shutdown(5000);
    w.queue(['C'], userConversation(9));
    meta.last().answer(outcomes.sent('mA'));
    expect(await done).toBe(true);
    expect([meta.texts, w.status('A')]).toEqual([['A'], 'sent']);
  });

  test('ends at its deadline', async () => {
    const { meta, settle, ...w } = bind(world());
    w.queue(['A']);
    await settle();
    const done = w.outbox.shutdown(5000);
    await w.clock.advance(5000);
    expect(await done).toBe(false);
    meta.last().answer(outcomes.sent('mA'));
    await settle();
    expect([w.status('A'), w.clock.timerCount]).toEqual(['queued', 0]);
  });

  test('an answer after its deadline asks nothing of what is closed by then', async () => {
    const made = world();
    const { meta, settle, ...w } = bind(made);
    w.queue(['A']);
    await settle();
    const done = w.outbox.shutdown(1);
    await w.clock.advance(1);
    expect(await done).toBe(false);
    const get = vi.spyOn(made.projection, 'get');
    meta.last().answer(outcomes.refused('pausePage', { alarm: 'token' }));
    await settle();
    expect(get).not.toHaveBeenCalled();
  });
});

test('a post port that rejects counts as an unknown outcome', async () => {
  const { settle, ...w } = bind(world({ post: { post: () => Promise.reject(new Error('bug')) } }));
  w.queue(['A']);
  await settle();
  expect(w.count('message.unknown')).toBe(1);
});

/** The world's parts with its methods bound, to take apart. */
function bind(made: ClerkWorld) {
  return {
    log: made.log,
    meta: made.meta,
    clock: made.clock,
    outbox: made.outbox,
    queue: made.queue.bind(made),
    echo: made.echo.bind(made),
    settle: made.settle.bind(made),
    status: made.status.bind(made),
    count: made.count.bind(made),
  };
}
