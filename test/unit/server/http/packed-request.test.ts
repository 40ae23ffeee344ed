// A request that is packed and unpacked is the same: targets, parameters, usual fields and odd ones.

import { describe, expect, test } from 'vitest';
import {
  packRequest,
  type RequestParts,
  unpackRequest,
} from '../../../../lib/server/http/packed-request.ts';

function partsOf(parts: Partial<RequestParts>): RequestParts {
  return { url: '/', path: '/', params: {}, fields: [], ...parts };
}

function there(parts: Partial<RequestParts>): RequestParts {
  const { params, ...rest } = unpackRequest(packRequest(partsOf(parts)));
  return { ...rest, params: Object.fromEntries(Object.entries(params)) };
}

const HANDSHAKE = [
  ...['host', 'localhost', 'connection', 'Upgrade', 'upgrade', 'websocket'],
  ...['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version', '13'],
];

describe('comes back as it was:', () => {
  const cases: Readonly<Record<string, Partial<RequestParts>>> = {
    'the root without fields': {},
    'a query': { url: '/chat?room=1&x=?', path: '/chat' },
    'an absolute target': { url: 'http://host/chat?x', path: '/chat' },
    'an empty query': { url: '/chat?', path: '/chat' },
    parameters: { url: '/r/a', path: '/r/a', params: { name: 'a\nb "ü" €', '*': '' } },
    'a handshake': { fields: HANDSHAKE },
    'usual names with other values': {
      fields: ['connection', 'Upgrade, x', 'upgrade', 'h2c', 'sec-websocket-version', '8'],
    },
    'a name that is no usual one': { fields: ['x-mine', 'a:b: c', 'x-empty', ''] },
    'empty values of usual names': { fields: ['host', '', 'cookie', ''] },
    'values beyond ASCII': { fields: ['cookie', '\xff\x80\xc0', 'x-mine', '\xc0'] },
    'repeated fields, in order': { fields: ['cookie', 'a', 'host', 'h', 'cookie', 'b'] },
  };
  for (const [name, parts] of Object.entries(cases)) {
    test(name, () => {
      expect(there(parts)).toEqual(partsOf(parts));
    });
  }

  test('parameters named like members of Object', () => {
    const params = Object.assign(Object.create(null) as Record<string, string>, { toString: 'x' });
    params['__proto__'] = 'y';
    const back = unpackRequest(packRequest(partsOf({ params }))).params;
    expect(Object.entries(back)).toEqual(Object.entries(params));
    expect(Object.getPrototypeOf(back)).toBe(null);
  });
});

test('a handshake takes less than half of its text', () => {
  const text = HANDSHAKE.join(': ');
  expect(packRequest(partsOf({ fields: HANDSHAKE })).length).toBeLessThan(text.length / 2);
});

test('random fields come back', () => {
  const seed = 20_261_125;
  let state = seed;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % below;
  };
  const names = [
    'host',
    'connection',
    'upgrade',
    'pragma',
    'x-a',
    'accept-encoding',
    "!#$%&'*+-.^",
  ];
  const values = [
    '',
    'Upgrade',
    'websocket',
    'no-cache',
    '13',
    'gzip, deflate, br',
    '\xe4 : \t\x80',
  ];
  for (let round = 0; round < 2000; round++) {
    const fields = Array.from({ length: next(6) }, () => [
      names[next(names.length)] ?? '',
      values[next(values.length)] ?? '',
    ]).flat();
    expect(there({ fields }), `seed ${seed} round ${round}`).toEqual(partsOf({ fields }));
  }
});
