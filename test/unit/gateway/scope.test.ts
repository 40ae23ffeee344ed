import { describe, expect, test } from 'vitest';
import { Scope } from '../../../lib/gateway/scope.ts';

describe('Scope', () => {
  test.each([
    [['100'], '100', true],
    [['100'], '1001', false],
    [['100', '200'], '200', true],
    [['*'], '300', true],
    [['100', '*'], '300', true],
  ])('%j allows page %s: %s', (pages, page, isAllowed) => {
    const scope = new Scope(pages, 'agent');
    expect(scope.allowsPage(page)).toBe(isAllowed);
    expect(scope.allows(`messenger/${page}/7`)).toBe(isAllowed);
    expect(scope.allows(`messenger/${page}`)).toBe(isAllowed);
  });

  test('is the same for the same pages in any order', () => {
    const one = new Scope(['100', '200'], 'agent');
    const other = new Scope(['200', '100', '200'], 'agent');
    expect(other.id).toBe(one.id);
    expect(other.group).toBe(one.group);
  });

  test('shares a group but not an id between roles', () => {
    const agent = new Scope(['100'], 'agent');
    const supervisor = new Scope(['100'], 'supervisor');
    expect(supervisor.group).toBe(agent.group);
    expect(supervisor.id).not.toBe(agent.id);
  });

  test('differs when the pages differ', () => {
    const ids = [['1'], ['2'], ['1', '2'], ['12'], ['*']].map((p) => new Scope(p, 'agent').id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('filters lists by its pages, and not at all when it sees everything', () => {
    expect(new Scope(['100'], 'agent').filter).toEqual(['100']);
    expect(new Scope(['100', '200', '100'], 'agent').filter).toEqual(['100', '200']);
    expect(new Scope(['*', '100'], 'agent').filter).toBeUndefined();
  });
});
