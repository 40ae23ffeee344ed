// People, threads, faults and addresses: the simulator's small parts and their bounds.

import { describe, expect, test } from 'vitest';
import { isLoopbackHost } from '../../../lib/base/ip-address.ts';
import { Faults } from '../../../lib/simulator/faults.ts';
import { isLoopbackAuthority, isLoopbackOrigin } from '../../../lib/simulator/loopback.ts';
import { drawPicture } from '../../../lib/simulator/pictures.ts';
import { createSimulator } from '../../../lib/simulator/simulator.ts';
import { World } from '../../../lib/simulator/world.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const PAGES = [{ id: '100', name: 'Shop', accessToken: 't' }];

describe('the world', () => {
  test('has three people to begin with, and takes more', () => {
    const world = new World(new ManualClock(), PAGES);
    expect(world.customers).toHaveLength(3);
    expect(world.addCustomer('55', '  Eve  ').name).toBe('Eve');
    expect(world.addCustomer('55', 'Other').name).toBe('Eve');
    expect(world.addCustomer('123456').name).toBe('Customer 3456');
    expect(world.addCustomer('56', 'x'.repeat(61)).name).toHaveLength(60);
    expect(() => world.addCustomer('a/b')).toThrow(
      expect.objectContaining({ code: 'ERR_ARG_RANGE' }),
    );
  });

  test('refuses one customer too many', () => {
    const customers = Array.from({ length: 50_000 }, (_, n) => ({ id: String(n), name: 'n' }));
    const world = new World(new ManualClock(), PAGES, customers);
    expect(() => world.addCustomer('60000')).toThrow(
      expect.objectContaining({ code: 'ERR_ARG_RANGE' }),
    );
  });

  test('has threads with Pages that exist only', () => {
    const world = new World(new ManualClock(), PAGES);
    expect(() => world.thread('999', '1')).toThrow(
      expect.objectContaining({ code: 'ERR_ARG_RANGE' }),
    );
    expect(world.thread('100', '1')).toBe(world.thread('100', '1'));
  });

  test('forgets the oldest message of a thread at its bound', () => {
    const world = new World(new ManualClock(), PAGES);
    const thread = world.thread('100', '1');
    for (let n = 0; n < 2001; n++) {
      world.add(thread, { mid: `m${n}`, at: world.stamp(thread), from: 'customer' });
    }
    expect(thread.messages).toHaveLength(2000);
    expect(thread.messages[0]?.mid).toBe('m1');
    expect(world.update(thread, 'm0', { text: 'x' })).toBe(false);
  });

  test('tells its listeners until they leave', () => {
    const world = new World(new ManualClock(), PAGES);
    const seen: string[] = [];
    const leave = world.listen((page, user) => seen.push(`${page}/${user}`));
    const thread = world.thread('100', '1');
    world.setTyping(thread, true);
    leave();
    world.setTyping(thread, false);
    expect(seen).toEqual(['100/1']);
  });
});

describe('faults', () => {
  test('wait in order and are used once', () => {
    const faults = new Faults();
    faults.nextSend({ kind: 'drop_echo' });
    faults.nextSend({ kind: 'lost_answer' }, 2);
    const taken = [1, 2, 3, 4].map(() => faults.takeSend()?.kind);
    expect(taken).toEqual(['drop_echo', 'lost_answer', 'lost_answer', undefined]);
  });

  test('have bounds', () => {
    const faults = new Faults();
    faults.nextSend({ kind: 'drop_echo' }, 999);
    faults.nextSend({ kind: 'drop_echo' });
    const refused = expect.objectContaining({ code: 'ERR_ARG_RANGE' });
    expect(() => faults.nextSend({ kind: 'drop_echo' })).toThrow(refused);
    faults.clear();
    expect(faults.waiting).toBe(0);
    for (const ms of [-1, 600_001, Number.NaN]) {
      expect(() => faults.nextSend({ kind: 'slow', ms })).toThrow(refused);
      expect(() => faults.setWebhooks({ slowMs: ms })).toThrow(refused);
    }
    for (const status of [200, 600, 400.5]) {
      expect(() => faults.nextSend({ kind: 'status', status })).toThrow(refused);
    }
    expect(() => faults.nextSend({ kind: 'drop_echo' }, 0)).toThrow(refused);
  });

  test('of webhooks stay until they are changed', () => {
    let changes = 0;
    const faults = new Faults(() => changes++);
    faults.setWebhooks({ hold: true });
    faults.setWebhooks({ duplicate: true });
    expect(faults.webhooks).toEqual({ hold: true, duplicate: true, shuffle: false, slowMs: 0 });
    faults.clear();
    expect(faults.webhooks.hold).toBe(false);
    expect(changes).toBe(3);
  });
});

describe('loopback', () => {
  test.each(['127.0.0.1', '127.9.9.9', 'localhost', '::1', '[::1]', 'LOCALHOST'])(
    '%s is',
    (host) => {
      expect(isLoopbackHost(host)).toBe(true);
    },
  );

  test.each(['0.0.0.0', '10.0.0.1', 'localhost.evil.example', '127.0.0.1.evil.example', '::', ''])(
    '%s is not',
    (host) => {
      expect(isLoopbackHost(host)).toBe(false);
      expect(() =>
        createSimulator({
          host,
          gatewayUrl: 'http://127.0.0.1:1',
          verifyToken: 'v',
          appId: '5',
          appSecret: 's',
          pages: PAGES,
        }),
      ).toThrow(expect.objectContaining({ code: 'ERR_ARG_RANGE' }));
    },
  );

  test('of a Host field and an Origin', () => {
    expect(['127.0.0.1:80', 'localhost', '[::1]:8080'].every(isLoopbackAuthority)).toBe(true);
    expect(['evil.example:80', 'evil.example', '127.0.0.1:x', ''].some(isLoopbackAuthority)).toBe(
      false,
    );
    expect(isLoopbackAuthority(undefined)).toBe(false);
    expect([undefined, 'http://localhost:5', 'http://[::1]'].every(isLoopbackOrigin)).toBe(true);
    expect(
      ['null', 'https://evil.example', 'http://127.0.0.1.evil.example'].some(isLoopbackOrigin),
    ).toBe(false);
  });
});

describe('pictures', () => {
  test('show the first letter of a name, whatever it is', () => {
    expect(drawPicture('7.svg', '王小明')).toContain('>王<');
    expect(drawPicture('7.svg', '<script>')).toContain('>&#60;<');
    expect(drawPicture('7.svg', undefined)).toContain('>?<');
    expect(drawPicture('like.svg', undefined)).toContain('<path');
    expect(drawPicture('../7.svg', 'x')).toBeUndefined();
  });
});
