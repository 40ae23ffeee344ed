// Who is taken in: by address, by number, by rate; and that nothing is remembered of who is gone.

import { describe, expect, test } from 'vitest';
import type { ConnectionOwner } from '../../../../lib/net/types.ts';
import {
  Admission,
  REFUSALS,
  REFUSALS_LINGERING_MAX,
} from '../../../../lib/server/admission/admission.ts';
import { KeyCounts } from '../../../../lib/server/admission/admission-counts.ts';
import {
  AddressRates,
  RATE_ADDRESSES_MAX,
  Rate,
} from '../../../../lib/server/admission/admission-rate.ts';
import type { AdmissionOptions } from '../../../../lib/server/admission/admission-types.ts';
import { TrustedProxies } from '../../../../lib/server/admission/http-client-address.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { type MemoryConnection, MemoryLoop } from '../../../support/memory-transport.ts';

const ignore = (): void => undefined;
const NOBODY_TRUSTED = new TrustedProxies([]);
const PROXIES = new TrustedProxies(['10.0.0.0/8']);

interface Door {
  readonly admission: Admission;
  readonly clock: ManualClock;
  /** Knocks; the connection is open when it was admitted. */
  knock(address: string, proxies?: TrustedProxies, open?: number): MemoryConnection;
}

function door(options: AdmissionOptions): Door {
  const clock = new ManualClock();
  const admission = new Admission(options, clock);
  const loop = new MemoryLoop();
  const owner: ConnectionOwner = {
    onData: ignore,
    onEnd: ignore,
    onDrain: ignore,
    onDeadline: ignore,
    onClose: ignore,
    onFailure: ignore,
  };
  const knock = (address: string, proxies = NOBODY_TRUSTED, open = 0): MemoryConnection =>
    loop.connect((connection) => {
      (connection as MemoryConnection).remoteAddress = address;
      return admission.accept(connection, proxies, open) ?? owner;
    });
  return { admission, clock, knock };
}

describe('lists', () => {
  test('a denied address is reset without a word', () => {
    const { knock, admission } = door({ deny: ['192.0.2.0/24', '2001:db8::/32'] });
    for (const address of ['192.0.2.9', '::ffff:192.0.2.9', '2001:db8::1']) {
      const connection = knock(address);
      expect(connection.state).toBe('reset');
      expect(connection.outputText).toBe('');
    }
    expect(knock('198.51.100.1').state).toBe('open');
    expect(admission.stats.denied).toBe(3);
  });

  test('with allow everybody else is denied, and deny is stronger', () => {
    const { knock } = door({ allow: ['192.0.2.0/24'], deny: ['192.0.2.9'] });
    expect(knock('192.0.2.1').state).toBe('open');
    expect(knock('192.0.2.9').state).toBe('reset');
    expect(knock('198.51.100.1').state).toBe('reset');
  });

  test('a Unix socket has no address that a list could name', () => {
    const { knock } = door({ allow: ['192.0.2.0/24'] });
    expect(knock('').state).toBe('open');
  });

  test('a new list counts from now on', () => {
    const { knock, admission } = door({ deny: ['192.0.2.1'] });
    const before = knock('192.0.2.2');
    admission.replace({ deny: ['192.0.2.2'] });
    expect(knock('192.0.2.1').state).toBe('open');
    expect(knock('192.0.2.2').state).toBe('reset');
    expect(before.state).toBe('open');
  });

  test('a bad list changes nothing', () => {
    const { knock, admission } = door({ deny: ['192.0.2.1'] });
    expect(() => admission.replace({ deny: ['nonsense'] })).toThrow(
      expect.objectContaining({ code: 'ERR_ARG_RANGE' }),
    );
    expect(() => admission.replace({ allow: ['nonsense'] })).toThrow();
    expect(knock('192.0.2.1').state).toBe('reset');
    expect(knock('192.0.2.2').state).toBe('open');
  });
});

describe('connections of one address', () => {
  test('at the limit the next one is told 429 and when to come back', () => {
    const { knock, admission } = door({ connectionsPerIp: 2 });
    const first = knock('192.0.2.1');
    expect(knock('192.0.2.1').state).toBe('open');
    const third = knock('192.0.2.1');
    expect(third.state).toBe('closing');
    const text = third.outputText;
    expect(text).toMatch(
      /^HTTP\/1\.1 429 Too Many Requests\r\nDate: [^\r]+ GMT\r\nRetry-After: 5\r\n/,
    );
    expect(text).toContain('Connection: close\r\n\r\nToo many connections of this address.\n');
    expect(knock('192.0.2.2').state).toBe('open');
    expect(admission.stats).toMatchObject({ addressFull: 1, lingering: 1, addresses: 2 });
    third.reap();
    first.reap();
    expect(admission.stats).toMatchObject({ lingering: 0 });
    expect(knock('192.0.2.1').state).toBe('open');
  });

  test('IPv6 counts by prefix, IPv4 whole, in either form', () => {
    const { knock } = door({ connectionsPerIp: 1 });
    expect(knock('2001:db8:0:1::1').state).toBe('open');
    expect(knock('2001:db8:0:1:ffff::2').state).toBe('closing');
    expect(knock('2001:db8:0:2::1').state).toBe('open');
    expect(knock('192.0.2.1').state).toBe('open');
    expect(knock('192.0.2.2').state).toBe('open');
    expect(knock('::ffff:192.0.2.1').state).toBe('closing');
  });

  test('the prefix can be chosen', () => {
    const { knock } = door({ connectionsPerIp: 1, ipv6PrefixBits: 48 });
    expect(knock('2001:db8:1:1::1').state).toBe('open');
    expect(knock('2001:db8:1:2::1').state).toBe('closing');
    expect(knock('2001:db8:2:1::1').state).toBe('open');
  });

  test('loopback and Unix sockets are exempt, loopback unless told otherwise', () => {
    const exempt = door({ connectionsPerIp: 1 });
    const counted = door({ connectionsPerIp: 1, exemptLoopback: false });
    for (const address of ['127.0.0.1', '::1', '']) {
      expect(exempt.knock(address).state).toBe('open');
      expect(exempt.knock(address).state).toBe('open');
      expect(counted.knock(address).state).toBe('open');
    }
    expect(counted.knock('127.0.0.1').state).toBe('closing');
    expect(counted.knock('::1').state).toBe('closing');
    expect(counted.knock('').state).toBe('open');
  });

  test('beyond a bound the refused are reset, so that a flood cannot make us wait for it', () => {
    const { knock, admission } = door({ connectionsPerIp: 1 });
    knock('192.0.2.1');
    const refused = Array.from({ length: REFUSALS_LINGERING_MAX }, () => knock('192.0.2.1'));
    expect(refused.every((connection) => connection.state === 'closing')).toBe(true);
    expect(knock('192.0.2.1').state).toBe('reset');
    expect(admission.stats).toMatchObject({ lingering: REFUSALS_LINGERING_MAX, unanswered: 1 });
    refused[0]?.reap();
    expect(knock('192.0.2.1').state).toBe('closing');
  });

  test('a limit that is switched on later counts from then on, and one that is off lets go', () => {
    const { knock, admission } = door({});
    const early = knock('192.0.2.1');
    admission.replace({ connectionsPerIp: 1 });
    const counted = knock('192.0.2.1');
    expect(counted.state).toBe('open');
    expect(knock('192.0.2.1').state).toBe('closing');
    admission.replace({});
    expect(knock('192.0.2.1').state).toBe('open');
    early.reap();
    counted.reap();
    expect(admission.stats.addresses).toBe(0);
  });
});

test('the whole server has a limit, told as 503', () => {
  const { knock, admission } = door({ connectionsMax: 2 });
  expect(knock('192.0.2.1', NOBODY_TRUSTED, 1).state).toBe('open');
  const refused = knock('192.0.2.1', NOBODY_TRUSTED, 2);
  expect(refused.outputText).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/);
  expect(admission.stats.serverFull).toBe(1);
});

test('one that the full server refuses leaves no count of its address', () => {
  const { knock, admission } = door({ connectionsMax: 2, connectionsPerIp: 1 });
  knock('192.0.2.1', NOBODY_TRUSTED, 2);
  expect(admission.stats.addresses).toBe(0);
});

describe('behind trusted proxies', () => {
  test('the proxy is not counted, its clients are, until their requests are over', () => {
    const { knock, admission } = door({ connectionsPerIp: 1 });
    const one = knock('10.0.0.1', PROXIES);
    const two = knock('10.0.0.1', PROXIES);
    expect([one.state, two.state]).toEqual(['open', 'open']);
    expect(admission.judgeForwarded(one, '192.0.2.1')).toBeUndefined();
    expect(admission.judgeForwarded(two, '192.0.2.1')).toBe(REFUSALS.addressFull);
    expect(admission.judgeForwarded(two, '192.0.2.2')).toBeUndefined();
    admission.requestEnded(one);
    expect(admission.judgeForwarded(two, '192.0.2.1')).toBeUndefined();
    expect(admission.stats).toMatchObject({ addressFull: 1, addresses: 1 });
    two.reap();
    expect(admission.stats.addresses).toBe(0);
  });

  test('a denied client gets 403', () => {
    const { knock, admission } = door({ deny: ['192.0.2.1'] });
    const proxy = knock('10.0.0.1', PROXIES);
    expect(admission.judgeForwarded(proxy, '192.0.2.1')).toBe(REFUSALS.denied);
    expect(admission.judgeForwarded(proxy, '192.0.2.2')).toBeUndefined();
    expect(admission.stats.denied).toBe(1);
  });
});

describe('rates', () => {
  test('an address has its handshakes at once, and then one after the other', () => {
    const { admission, clock } = door({ handshakesPerSecondPerIp: 3 });
    const take = (address: string): unknown => admission.judgeHandshake(address);
    for (let i = 0; i < 3; i++) expect(take('192.0.2.1')).toBeUndefined();
    expect(take('192.0.2.1')).toBe(REFUSALS.addressRate);
    expect(take('192.0.2.2')).toBeUndefined();
    clock.advance(330);
    expect(take('192.0.2.1')).toBe(REFUSALS.addressRate);
    clock.advance(10);
    expect(take('192.0.2.1')).toBeUndefined();
    expect(take('192.0.2.1')).toBe(REFUSALS.addressRate);
    expect(take('127.0.0.1')).toBeUndefined();
    expect(admission.stats.addressRate).toBe(3);
  });

  test('the server has one allowance for all', () => {
    const { admission, clock } = door({ handshakesPerSecond: 2 });
    expect(admission.judgeHandshake('192.0.2.1')).toBeUndefined();
    expect(admission.judgeHandshake('127.0.0.1')).toBeUndefined();
    expect(admission.judgeHandshake('192.0.2.3')).toBe(REFUSALS.handshakeRate);
    clock.advance(1000);
    expect(admission.judgeHandshake('192.0.2.3')).toBeUndefined();
    expect(admission.stats.handshakeRate).toBe(1);
  });

  test.each([1, 3, 7, 1000])('%i a second are that in any second, and no more', (perSecond) => {
    const rate = new Rate();
    let taken = 0;
    for (let ms = 0; ms <= 2000; ms++) {
      for (let i = 0; i < 5; i++) if (rate.take(perSecond, 1e6 + ms)) taken++;
    }
    // One second's worth at once, and two seconds' refill.
    const most = perSecond * 3;
    expect(taken).toBeGreaterThanOrEqual(Math.min(most, 10_005) - 1);
    expect(taken).toBeLessThanOrEqual(most);
  });

  test('an address that was quiet is forgotten, and one that was not is remembered', () => {
    const rates = new AddressRates();
    for (let i = 0; i < 1000; i++) rates.take(`a${i}`, 1, 5000);
    expect(rates.take('a1', 1, 5900)).toBe(false);
    rates.take('b', 1, 6100);
    expect(rates.take('b', 1, 7000)).toBe(false);
    rates.take('c', 1, 8200);
    expect(rates.size).toBeLessThan(5);
  });

  test('a million addresses in one second do not grow the map beyond its bound', () => {
    const rates = new AddressRates();
    let taken = 0;
    for (let i = 0; i < 1_000_000; i++) if (rates.take(String(i), 1, 5000)) taken++;
    expect(taken).toBe(1_000_000);
    expect(rates.size).toBeLessThanOrEqual(2 * RATE_ADDRESSES_MAX);
  });
});

describe('memory', () => {
  test('a million distinct addresses leave nothing behind', () => {
    const counts = new KeyCounts();
    const heap = (): number => process.memoryUsage().heapUsed;
    const round = (): void => {
      for (let i = 0; i < 250_000; i++) {
        const lease = counts.take(`00000000000000000000ffff${i.toString(16).padStart(8, '0')}`);
        if (counts.size !== 1) throw new Error('a key was left');
        lease.release();
        lease.release();
      }
    };
    round();
    globalThis.gc?.();
    const before = heap();
    for (let i = 0; i < 3; i++) round();
    globalThis.gc?.();
    expect(counts.size).toBe(0);
    expect(heap() - before).toBeLessThan(64 * 1024 * 1024);
  });

  test('a key has its count as long as something of it is open', () => {
    const counts = new KeyCounts();
    const leases = [counts.take('a'), counts.take('a'), counts.take('b')];
    expect([counts.of('a'), counts.of('b'), counts.size]).toEqual([2, 1, 2]);
    leases[0]?.release();
    leases[0]?.release();
    expect([counts.of('a'), counts.size]).toEqual([1, 2]);
    leases[1]?.release();
    expect([counts.of('a'), counts.size]).toEqual([0, 1]);
  });
});

test.each<[string, AdmissionOptions]>([
  ['a negative count', { connectionsPerIp: -1 }],
  ['half a connection', { connectionsPerIp: 1.5 }],
  ['a count beyond a thousand million', { connectionsMax: 1_000_000_001 }],
  ['no number', { handshakesPerSecond: Number.NaN }],
  ['a negative rate', { handshakesPerSecondPerIp: -1 }],
  ['a prefix of nothing', { ipv6PrefixBits: 0 }],
  ['a prefix longer than an address', { ipv6PrefixBits: 129 }],
  ['what is no address', { deny: ['x'] }],
  ['a list that is too long', { deny: Array.from({ length: 100_001 }, () => '10.0.0.1') }],
])('%s is out of range', (_what, options) => {
  expect(() => new Admission(options)).toThrow(expect.objectContaining({ code: 'ERR_ARG_RANGE' }));
});
