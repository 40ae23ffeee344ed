// What one WebSocket route asks of a handshake before its hook.

import { describe, expect, test } from 'vitest';
import { Admission } from '../../../../lib/server/admission/admission.ts';
import { OriginList } from '../../../../lib/server/admission/origin-list.ts';
import {
  ROUTE_REFUSALS,
  RouteAdmission,
  routeAdmissionOf,
  type Seat,
  TOKEN_LENGTH_MAX,
} from '../../../../lib/server/admission/route-admission.ts';
import type { ServerRequest, WebSocketRoute } from '../../../../lib/server/types.ts';

interface Knock {
  readonly origin?: string;
  readonly ip?: string;
  readonly token?: string;
}

function requestOf({ origin, ip = '192.0.2.1', token }: Knock): ServerRequest {
  const headers: Record<string, string> = {};
  if (origin !== undefined) headers['origin'] = origin;
  if (token !== undefined) headers['x-token'] = token;
  return { ip, headers, header: (name: string) => headers[name] } as unknown as ServerRequest;
}

function door(rules: WebSocketRoute<unknown>, admission = new Admission()) {
  const route = new RouteAdmission(rules);
  const knock = (request: Knock = {}): Seat => route.judge(requestOf(request), admission);
  const refusedWith = (request: Knock = {}): number | undefined => {
    const seat = knock(request);
    return seat.ok ? undefined : seat.refusal.status;
  };
  return { route, admission, knock, refusedWith };
}

const leave = (seat: Seat): void => {
  if (seat.ok) seat.lease?.release();
};

describe('origins', () => {
  test('everybody by default', () => {
    const { refusedWith } = door({});
    expect(refusedWith({ origin: 'https://anywhere.example' })).toBeUndefined();
    expect(refusedWith()).toBeUndefined();
  });

  test.each([
    ['https://desk.example', undefined],
    ['https://desk.example:8443', undefined],
    ['null', undefined],
    ['https://desk.example.evil.example', 403],
    ['https://DESK.example', 403],
    ['http://desk.example', 403],
    ['https://desk.example:443', 403],
    ['https://desk.example/', 403],
    ['https://desk.example, https://desk.example', 403],
    ['', 403],
  ])('of a list %j is answered %s', (origin, status) => {
    const { refusedWith, admission } = door({
      origins: ['https://desk.example', 'https://desk.example:8443', 'null'],
    });
    expect(refusedWith({ origin })).toBe(status);
    expect(admission.stats.origin).toBe(status === undefined ? 0 : 1);
  });

  test('who sends none is no browser, and refused only where one is required', () => {
    const origins = ['https://desk.example'];
    expect(door({ origins }).refusedWith()).toBeUndefined();
    expect(door({ origins, originRequired: true }).refusedWith()).toBe(403);
    expect(door({ originRequired: true }).refusedWith()).toBe(403);
    expect(door({ originRequired: true }).refusedWith({ origin: 'https://a.example' })).toBe(
      undefined,
    );
  });

  test.each([
    'https://desk.example/',
    'https://desk.example/a',
    'desk.example',
    'https://D.example',
    'https://a.example:443',
    '*',
    '',
  ])('%j is no origin', (origin) => {
    expect(() => new OriginList([origin])).toThrow(
      expect.objectContaining({ code: 'ERR_ARG_RANGE' }),
    );
  });

  test('schemes of programs count as they are written', () => {
    const list = new OriginList(['app://desk', 'chrome-extension://abcdef']);
    expect(list.has('app://desk')).toBe(true);
    expect(list.has('app://other')).toBe(false);
  });
});

describe('places', () => {
  test('of the route: 503 at the limit, free again when one leaves', () => {
    const { knock, refusedWith, admission, route } = door({ connectionsMax: 2 });
    const first = knock({ ip: '192.0.2.1' });
    const second = knock({ ip: '192.0.2.2' });
    expect(refusedWith({ ip: '192.0.2.3' })).toBe(503);
    leave(first);
    leave(first);
    const third = knock({ ip: '192.0.2.3' });
    expect(third.ok).toBe(true);
    expect(refusedWith()).toBe(503);
    expect(admission.stats.routeFull).toBe(2);
    leave(second);
    leave(third);
    expect(route.size).toBe(0);
  });

  test('of an address: 429, by the rules of the server', () => {
    const { knock, refusedWith, admission } = door({ connectionsPerIp: 1 });
    const seat = knock({ ip: '2001:db8::1' });
    expect(refusedWith({ ip: '2001:db8::2' })).toBe(429);
    expect(refusedWith({ ip: '127.0.0.1' })).toBeUndefined();
    expect(refusedWith({ ip: '127.0.0.1' })).toBeUndefined();
    leave(seat);
    expect(refusedWith({ ip: '2001:db8::2' })).toBeUndefined();
    expect(admission.stats.routeAddressFull).toBe(1);
  });

  test('of a token: 429; who has none is not counted', () => {
    const { knock, refusedWith, admission, route } = door({
      connectionsPerToken: 1,
      token: (request) => request.header('x-token'),
    });
    const ann = knock({ token: 'ann' });
    expect(refusedWith({ token: 'ann', ip: '192.0.2.99' })).toBe(429);
    expect(refusedWith({ token: 'bob' })).toBeUndefined();
    expect(refusedWith()).toBeUndefined();
    expect(refusedWith()).toBeUndefined();
    expect(admission.stats.tokenFull).toBe(1);
    leave(ann);
    expect(refusedWith({ token: 'ann' })).toBeUndefined();
    expect(route.size).toBe(2);
  });

  test('a token may be so long, and no longer', () => {
    const { refusedWith } = door({
      connectionsPerToken: 9,
      token: (request) => request.header('x-token'),
    });
    expect(refusedWith({ token: 'x'.repeat(TOKEN_LENGTH_MAX) })).toBeUndefined();
    expect(refusedWith({ token: 'x'.repeat(TOKEN_LENGTH_MAX + 1) })).toBe(400);
  });

  test('who is refused for one reason holds no place for another', () => {
    const { knock, refusedWith, route } = door({
      connectionsMax: 9,
      connectionsPerIp: 9,
      connectionsPerToken: 1,
      token: () => 'one',
    });
    const seat = knock();
    expect(refusedWith()).toBe(429);
    leave(seat);
    expect(route.size).toBe(0);
  });

  test('a limit of tokens needs to be told what the token is', () => {
    expect(() => new RouteAdmission({ connectionsPerToken: 1 })).toThrow(
      expect.objectContaining({ code: 'ERR_ARG_RANGE' }),
    );
  });

  test.each([{ connectionsMax: -1 }, { connectionsPerIp: 0.5 }, { connectionsPerToken: -1 }])(
    '%j is out of range',
    (rules) => {
      expect(() => new RouteAdmission(rules)).toThrow(
        expect.objectContaining({ code: 'ERR_ARG_RANGE' }),
      );
    },
  );
});

test('a route that two servers have been given counts once for both', () => {
  const route: WebSocketRoute<unknown> = { connectionsPerIp: 1 };
  const [one, two] = [new Admission(), new Admission()];
  expect(routeAdmissionOf(route)).toBe(routeAdmissionOf(route));
  expect(routeAdmissionOf({ ...route })).not.toBe(routeAdmissionOf(route));
  expect(routeAdmissionOf(route).judge(requestOf({}), one).ok).toBe(true);
  expect(routeAdmissionOf(route).judge(requestOf({}), two).ok).toBe(false);
  expect(two.stats.routeAddressFull).toBe(1);
});

test('a wrong Origin costs nothing of the allowance, and the rates come before the places', () => {
  const admission = new Admission({ handshakesPerSecond: 1 });
  const { knock, refusedWith } = door(
    { origins: ['https://desk.example'], connectionsMax: 1 },
    admission,
  );
  expect(refusedWith({ origin: 'https://evil.example' })).toBe(403);
  expect(knock({ origin: 'https://desk.example' }).ok).toBe(true);
  const second = knock({ origin: 'https://desk.example' });
  expect(second.ok ? undefined : second.refusal).not.toBe(ROUTE_REFUSALS.routeFull);
  expect(admission.stats).toMatchObject({ origin: 1, handshakeRate: 1, routeFull: 0 });
});
