// What a newcomer does: `sluice dev`, the phone in one tab, the console in another, a reload and a kill -9 in
// the middle; nothing is lost, nothing comes twice. SLUICE_TEST_SCREENSHOTS=folder keeps pictures for the README.

import { join } from 'node:path';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchChromium } from '../support/browser.ts';
import { type DevAddresses, DevProcess } from '../support/dev-process.ts';

const SCREENSHOTS = process.env['SLUICE_TEST_SCREENSHOTS'];
const CUSTOMER = '7000000000000001';

let browser: Browser;
let context: BrowserContext;
let dev: DevProcess;
let addresses: DevAddresses;
let phone: Page;
let desk: Page;
const complaints: string[] = [];
const strangers = new Set<string>();

function watch(page: Page): void {
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (protocol.startsWith('http') && hostname !== '127.0.0.1') strangers.add(hostname);
  });
}

beforeAll(async () => {
  dev = await DevProcess.create();
  addresses = await dev.start();
  browser = await launchChromium();
  context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    deviceScaleFactor: SCREENSHOTS === undefined ? 1 : 2,
  });
  context.setDefaultTimeout(10_000);
  phone = await context.newPage();
  desk = await context.newPage();
  watch(phone);
  watch(desk);
});

afterAll(async () => {
  await browser?.close();
  await dev?.dispose();
});

const customerBubble = (text: string): Locator =>
  phone.locator('[data-testid=bubble]', { hasText: text });
const deskBubble = (text: string): Locator =>
  desk.locator('[data-testid=message-in], [data-testid=message-out]', { hasText: text });

async function writeOnPhone(text: string): Promise<void> {
  await phone.bringToFront();
  await phone.fill('#text', text);
  await phone.press('#text', 'Enter');
}

async function answerAtDesk(text: string): Promise<void> {
  await desk.bringToFront();
  await desk.fill('[data-testid=composer]', text);
  await desk.press('[data-testid=composer]', 'Enter');
}

async function once(locator: Locator): Promise<void> {
  await locator.first().waitFor();
  expect(await locator.count()).toBe(1);
}

async function picture(page: Page, name: string): Promise<void> {
  if (SCREENSHOTS === undefined) return;
  await page.bringToFront();
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}

describe('the round trip in a browser', () => {
  test('a customer writes, the agent answers, both see it', async () => {
    await phone.goto(`${addresses.phone}#customer=${CUSTOMER}`);
    await phone.locator('#connection[data-state=open]').waitFor();
    await desk.goto(addresses.consoleLink);
    await desk.locator('[data-testid=connection-state][data-state=online]').waitFor();
    expect(desk.url()).not.toContain('token');

    await writeOnPhone('Hi, is the blue jacket still available in M? 🙂');
    await desk.bringToFront();
    await desk.locator('[data-testid=conversation-item]').first().click();
    await once(deskBubble('blue jacket'));
    await answerAtDesk('It is! 49 €, shall I put one aside for you?');
    await once(customerBubble('put one aside'));
    await once(deskBubble('put one aside'));
    await writeOnPhone('Yes please, and a Größe L / 大号 for my brother');
    await once(deskBubble('大号'));
    await answerAtDesk('Done. Both wait at the counter until Saturday.');
    await desk.locator('[data-testid=message-out][data-status=read]').first().waitFor();
  });

  test('the phone is told that somebody types, the list that something is unread', async () => {
    await writeOnPhone('One more question …');
    await once(deskBubble('One more question'));
    await desk.bringToFront();
    await desk.locator('[data-testid=composer]').pressSequentially('Sure', { delay: 20 });
    await phone.locator('#typing:not([hidden])').waitFor();
    await picture(desk, 'console');
    await picture(phone, 'phone');
    await desk.fill('[data-testid=composer]', '');
  });

  test('a reload in the middle loses nothing and doubles nothing', async () => {
    await answerAtDesk('before the reload');
    await desk.reload();
    await writeOnPhone('while the agent reloads');
    await desk.bringToFront();
    await desk.locator('[data-testid=connection-state][data-state=online]').waitFor();
    const first = desk.locator('[data-testid=conversation-item]').first();
    if ((await deskBubble('while the agent reloads').count()) === 0) await first.click();
    await once(deskBubble('while the agent reloads'));
    await once(deskBubble('before the reload'));
    await once(customerBubble('before the reload'));
  });

  test('kill -9 and a new start: the desk resumes by itself', async () => {
    await dev.end('SIGKILL');
    await desk.locator('[data-testid=connection-banner]').waitFor();
    await desk.fill('[data-testid=composer]', 'written while the gateway was away');
    await desk.press('[data-testid=composer]', 'Enter');
    await dev.start();
    await desk.bringToFront();
    await desk
      .locator('[data-testid=connection-state][data-state=online]')
      .waitFor({ timeout: 40_000 });
    await once(deskBubble('written while the gateway was away'));
    await phone.locator('#connection[data-state=open]').waitFor({ timeout: 20_000 });
    await once(customerBubble('written while the gateway was away'));
    await once(deskBubble('before the reload'));
  });

  test('the pages ask nobody else, complain of nothing, and the gateway ends cleanly', async () => {
    expect([...strangers]).toEqual([]);
    expect(complaints).toEqual([]);
    expect(await dev.end('SIGTERM')).toBe(0);
  });
});
