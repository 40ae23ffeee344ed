// The verification request: contract section 3.

import { describe, expect, test } from 'vitest';
import { answerVerification } from '../../../lib/messenger/verification.ts';

const query = (mode: string, token: string, challenge: string): URLSearchParams =>
  new URLSearchParams({
    'hub.mode': mode,
    'hub.verify_token': token,
    'hub.challenge': challenge,
  });

describe('verification', () => {
  test.each([
    ['a number beyond a double', '12345678901234567890123'],
    ['a number with leading zeros', '000123'],
    ['any other text', 'aB-_.~<b>&"ö'],
    ['the longest challenge', 'x'.repeat(256)],
  ])('echoes %s verbatim', (_name, challenge) => {
    const answer = answerVerification(query('subscribe', 'right', challenge), 'right');
    expect(answer).toEqual({ status: 200, body: challenge });
  });

  test.each([
    ['a wrong token', 'subscribe', 'wrong'],
    ['an empty token', 'subscribe', ''],
    ['a longer token', 'subscribe', 'right1'],
    ['a shorter token', 'subscribe', 'righ'],
    ['another mode', 'unsubscribe', 'right'],
    ['no mode', '', 'right'],
  ])('refuses %s with 403', (_name, mode, token) => {
    const answer = answerVerification(query(mode, token, '1'), 'right');
    expect(answer.status).toBe(403);
    expect(answer.body).not.toContain('right');
  });

  test.each([
    ['one byte too long', 'x'.repeat(257)],
    ['too long in bytes', 'é'.repeat(129)],
    ['with a line break', 'a\r\nSet-Cookie: b'],
    ['with a delete character', 'a\u007f'],
    ['with a C1 control', 'a\u0085b'],
    ['empty', ''],
  ])('refuses a challenge that is %s with 400', (_name, challenge) => {
    expect(answerVerification(query('subscribe', 'right', challenge), 'right').status).toBe(400);
  });

  test('never matches an empty configured token, nor missing parameters', () => {
    expect(answerVerification(query('subscribe', '', '1'), '').status).toBe(403);
    expect(answerVerification(new URLSearchParams(), 'right').status).toBe(403);
  });
});
