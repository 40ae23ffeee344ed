// The negotiation of permessage-deflate by section of RFC 7692: offers, what is declined, what is answered.

import { describe, expect, test } from 'vitest';
import { isSluiceError } from '../../../lib/base/errors.ts';
import { negotiateDeflate } from '../../../lib/websocket/deflate-negotiation.ts';
import { type DeflateOptions, resolveDeflate } from '../../../lib/websocket/deflate-options.ts';
import { parseExtensions } from '../../../lib/websocket/extensions.ts';

const OWN: DeflateOptions = { shared: false };

function answer(offer: string, options: DeflateOptions = OWN): string | undefined {
  const resolved = resolveDeflate(options);
  if (resolved === undefined) throw new Error('no options');
  return negotiateDeflate(parseExtensions(offer) ?? [], resolved)?.answer;
}

const PMD = 'permessage-deflate';

describe('section 5: offers', () => {
  test('no offer, no extension', () => {
    expect(answer('')).toBeUndefined();
    expect(answer('x-webkit-deflate-frame')).toBeUndefined();
    expect(answer('bbf-usp-protocol, permessage-bzip2')).toBeUndefined();
  });

  test('the first offer that can be accepted is taken, in the order of preference', () => {
    const offers = `${PMD}; client_max_window_bits; server_max_window_bits=10, ${PMD}`;
    expect(answer(offers)).toBe(`${PMD}; server_max_window_bits=10`);
    expect(answer(`x, ${PMD}; foo, ${PMD}; server_no_context_takeover, ${PMD}`)).toBe(
      `${PMD}; server_no_context_takeover`,
    );
  });

  test('a fallback without the parameter is taken when the first one cannot be', () => {
    const options = { ...OWN, clientMaxWindowBits: 10 };
    expect(answer(`${PMD}, ${PMD}; client_max_window_bits`, options)).toBe(
      `${PMD}; client_max_window_bits=10`,
    );
  });
});

describe('section 7: a server MUST decline an offer', () => {
  test.each([
    ['with a parameter that is not defined', 'foo'],
    ['with a parameter of another case', 'Server_No_Context_Takeover'],
    ['with two parameters of one name', 'server_no_context_takeover; server_no_context_takeover'],
    [
      'with two of one name and different values',
      'client_max_window_bits; client_max_window_bits=9',
    ],
    ['7.1.1.1: server_no_context_takeover with a value', 'server_no_context_takeover=1'],
    ['7.1.1.2: client_no_context_takeover with a value', 'client_no_context_takeover=true'],
    ['7.1.2.1: server_max_window_bits without a value', 'server_max_window_bits'],
    ['7.1.2.1: server_max_window_bits below 8', 'server_max_window_bits=7'],
    ['7.1.2.1: server_max_window_bits above 15', 'server_max_window_bits=16'],
    ['7.1.2.1: with a leading zero', 'server_max_window_bits=08'],
    ['7.1.2.1: which is no number', 'server_max_window_bits=ten'],
    ['7.1.2.1: with a sign', 'server_max_window_bits=+9'],
    ['7.1.2.2: client_max_window_bits below 8', 'client_max_window_bits=0'],
    ['7.1.2.2: client_max_window_bits above 15', 'client_max_window_bits=100'],
    ['7.1.2.2: with a fraction', 'client_max_window_bits=9.5'],
  ])('%s', (_why, parameters) => {
    expect(answer(`${PMD}; ${parameters}`)).toBeUndefined();
    expect(answer(`${PMD}; ${parameters}, ${PMD}`)).toBe(PMD);
  });
});

describe('section 7.1.1: context takeover', () => {
  const both = `${PMD}; server_no_context_takeover; client_no_context_takeover`;

  test('an offer of server_no_context_takeover MUST be answered with it', () => {
    expect(answer(`${PMD}; server_no_context_takeover`)).toBe(`${PMD}; server_no_context_takeover`);
  });

  test('a hint of client_no_context_takeover is taken up', () => {
    expect(answer(`${PMD}; client_no_context_takeover`)).toBe(`${PMD}; client_no_context_takeover`);
  });

  test('a server may ask for both though nobody offered them', () => {
    expect(answer(PMD, { shared: true })).toBe(both);
    expect(answer(PMD, { shared: true, clientNoContextTakeover: false })).toBe(
      `${PMD}; server_no_context_takeover`,
    );
    expect(answer(PMD, { shared: false, clientNoContextTakeover: true })).toBe(
      `${PMD}; client_no_context_takeover`,
    );
  });
});

describe('section 7.1.2: window sizes', () => {
  const limited = { ...OWN, serverMaxWindowBits: 11, clientMaxWindowBits: 12 };

  test.each([
    ['server_max_window_bits=15', OWN, '; server_max_window_bits=15'],
    ['server_max_window_bits=10', OWN, '; server_max_window_bits=10'],
    ['server_max_window_bits="9"', OWN, '; server_max_window_bits=9'],
    ['server_max_window_bits=8', OWN, '; server_max_window_bits=8'],
    ['client_max_window_bits', OWN, ''],
    ['client_max_window_bits=15', OWN, ''],
    ['client_max_window_bits=10', OWN, '; client_max_window_bits=10'],
    ['client_max_window_bits', limited, '; server_max_window_bits=11; client_max_window_bits=12'],
    [
      'client_max_window_bits=15',
      limited,
      '; server_max_window_bits=11; client_max_window_bits=12',
    ],
    ['client_max_window_bits=8', limited, '; server_max_window_bits=11; client_max_window_bits=8'],
    [
      'client_max_window_bits; server_max_window_bits=9',
      limited,
      '; server_max_window_bits=9; client_max_window_bits=12',
    ],
    [
      'client_max_window_bits; server_max_window_bits=14',
      limited,
      '; server_max_window_bits=11; client_max_window_bits=12',
    ],
  ])('7.1.2.1, 7.1.2.2: %s', (parameters, options, expected) => {
    expect(answer(`${PMD}; ${parameters}`, options)).toBe(`${PMD}${expected}`);
  });

  test('7.1.2.2: client_max_window_bits MUST NOT be answered to whom did not offer it', () => {
    expect(answer(PMD, { ...OWN, clientMaxWindowBits: 12 })).toBeUndefined();
    expect(answer(PMD, { ...OWN, serverMaxWindowBits: 12 })).toBe(
      `${PMD}; server_max_window_bits=12`,
    );
  });

  test('all four parameters at once', () => {
    const offer =
      `${PMD}; client_max_window_bits=13; server_max_window_bits=12; ` +
      'client_no_context_takeover; server_no_context_takeover';
    expect(answer(offer)).toBe(
      `${PMD}; server_no_context_takeover; client_no_context_takeover; ` +
        'server_max_window_bits=12; client_max_window_bits=13',
    );
  });
});

describe('options', () => {
  test('false and nothing are off; true takes the defaults', () => {
    expect([resolveDeflate(false), resolveDeflate(undefined)]).toEqual([undefined, undefined]);
    expect(resolveDeflate(true)).toEqual({
      threshold: 1024,
      level: 3,
      memLevel: 5,
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 15,
      clientMaxWindowBits: 15,
    });
  });

  test.each([
    [{ threshold: 0 }, { threshold: 0x3fffffff }, { threshold: -1 }, { threshold: 0x40000000 }],
    [{ level: 1 }, { level: 9 }, { level: 0 }, { level: 10 }],
    [{ memLevel: 1 }, { memLevel: 9 }, { memLevel: 0 }, { memLevel: 10 }],
    [
      { serverMaxWindowBits: 8 },
      { serverMaxWindowBits: 15 },
      { serverMaxWindowBits: 7 },
      { serverMaxWindowBits: 16 },
    ],
    [
      { clientMaxWindowBits: 8 },
      { clientMaxWindowBits: 15 },
      { clientMaxWindowBits: 7 },
      { clientMaxWindowBits: 16 },
    ],
  ] as DeflateOptions[][])('%j to %j, and not %j or %j', (least, most, below, above) => {
    expect(resolveDeflate(least)).toMatchObject(least ?? {});
    expect(resolveDeflate(most)).toMatchObject(most ?? {});
    for (const wrong of [below, above]) {
      expect(() => resolveDeflate(wrong)).toThrow(
        expect.objectContaining({ code: 'ERR_ARG_RANGE' }),
      );
    }
  });

  test.each(['yes', 1, null, { shared: 1 }, { serverNoContextTakeover: 'no' }])(
    '%j is of the wrong type',
    (option) => {
      let caught: unknown;
      try {
        resolveDeflate(option as DeflateOptions);
      } catch (error) {
        caught = error;
      }
      expect(isSluiceError(caught, 'ERR_ARG_TYPE')).toBe(true);
    },
  );
});
