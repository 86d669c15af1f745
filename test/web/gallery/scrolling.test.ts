import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chromiumNote, hasChromium } from '../../support/page/chromium.ts';
import { pageOpener } from '../../support/page/open-page.ts';
import type { PageService } from '../../support/page/page-service.ts';
import { until } from '../../support/until.ts';
import { make, startWithPictures } from './many-pictures.ts';

const pages = pageOpener();

const FOCUSED = 'document.activeElement.getAttribute("data-media-id")';

/** What the document holds, and the heap in MiB after what is garbage was collected. */
async function weigh(page: Page) {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  await session.detach();
  const [elements, pictures] = (await page.evaluate(
    '[document.querySelectorAll("*").length, document.images.length]',
  )) as number[];
  return { elements, pictures, heapMiB: usedSize / 2 ** 20 };
}

const BOUNDS = { elements: 3000, pictures: 150, heapMiB: 64 };

function expectBounded(weight: Awaited<ReturnType<typeof weigh>>): void {
  for (const [name, bound] of Object.entries(BOUNDS)) expect(weight[name as keyof typeof BOUNDS]).toBeLessThan(bound);
}

function cardOf(page: Page, number: number) {
  return page.getByRole('link', { name: new RegExp(`^picture ${number} `) });
}

/** Scrolls down until the picture is in the document, and looks at each step for what it holds. */
async function scrollTo(page: Page, number: number): Promise<void> {
  // What is mounted is some screens high: a step that is not the last picture's must not jump over it.
  const step = number === 1 ? 2400 : 700;
  let most = 0;
  await until(async () => {
    await page.mouse.wheel(0, step);
    most = Math.max(most, (await page.evaluate('document.images.length')) as number);
    return (await cardOf(page, number).count()) > 0;
  });
  expect(most).toBeLessThan(BOUNDS.pictures);
}

describe.skipIf(!hasChromium)(`a long gallery${chromiumNote}`, () => {
  let easel: PageService;
  beforeAll(async () => {
    easel = await startWithPictures(1000);
  });
  afterAll(() => easel[Symbol.asyncDispose]());

  it('shows 1,000 pictures in a bounded document, from the first to the last and back', async () => {
    await using view = await pages.open(easel);
    const { page } = view;
    // What the page reads ahead at its first opening is over then.
    await page.goto('about:blank');
    const lists: URL[] = [];
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (url.pathname === '/images') lists.push(url);
    });
    await page.goto(easel.url);
    await cardOf(page, 1000).waitFor();
    expect(lists[0]?.searchParams.get('limit')).toBe('30');
    await page.mouse.move(600, 500);
    await scrollTo(page, 1);
    expectBounded(await weigh(page));
    // What was read once is not read again on the way back, and the first cards are there at once.
    await page.getByText('1,000 pictures').waitFor();
    const reads = lists.length;
    await page.keyboard.press('Control+Home');
    await page.evaluate('scrollTo(0, 0)');
    await cardOf(page, 1000).waitFor();
    expect(await cardOf(page, 1).count()).toBe(0);
    expectBounded(await weigh(page));
    expect(lists.length).toBe(reads);
  });

  it('keeps the place over Reload and Back, and the focus on the picture that was opened', async () => {
    await using view = await pages.open(easel);
    const { page } = view;
    await page.mouse.move(600, 500);
    await scrollTo(page, 900);
    await page.evaluate(`document.querySelector('[data-media-id="many-00900"]').scrollIntoView({ block: 'center' })`);
    const place = async () => Math.round((await cardOf(page, 900).boundingBox())?.y ?? Number.NaN);
    const before = await place();
    await page.reload();
    await cardOf(page, 900).waitFor();
    await until(async () => (await place()) === before);

    await cardOf(page, 900).click();
    await page.waitForURL(/#\/images\/many-00900$/);
    expect(await page.evaluate('scrollY')).toBe(0);
    await page.goBack();
    await cardOf(page, 900).waitFor();
    await until(async () => (await place()) === before);
    await until(async () => (await page.evaluate(FOCUSED)) === 'many-00900');
  });

  it('moves by the keyboard, and keeps the focus while its card is far away and while new pictures come', async () => {
    await using view = await pages.open(easel);
    const { page } = view;
    const focused = () => page.evaluate(FOCUSED);
    await cardOf(page, 1000).focus();
    for (const [key, number] of [
      ['ArrowRight', 999],
      ['ArrowDown', 995],
      ['ArrowLeft', 996],
      ['ArrowUp', 1000],
      ['ArrowUp', 1000],
    ] as const) {
      await page.keyboard.press(key);
      await until(async () => (await focused()) === `many-${String(number).padStart(5, '0')}`);
    }
    // Of the grid, one card is a stop of Tab.
    await expect(page.locator('.gallery-grid a[tabindex="0"]').count()).resolves.toBe(1);
    await page.keyboard.press('PageDown');
    await until(async () => (await focused()) !== 'many-01000');
    await page.keyboard.press('Home');
    await until(async () => (await focused()) === 'many-01000');

    await page.mouse.move(600, 500);
    await scrollTo(page, 900);
    expect(await focused()).toBe('many-01000');
    await make(easel, { mediaId: 'newest', prompt: 'the newest of all' });
    await page.getByRole('button', { name: '1 new picture' }).waitFor();
    expect(await focused()).toBe('many-01000');
    await page.keyboard.press('ArrowRight');
    await until(async () => (await focused()) === 'many-00999');
    await until(() => page.evaluate('scrollY < 600'));
    await page.keyboard.press('Enter');
    await page.waitForURL(/#\/images\/many-00999$/);
  });

  it('holds new pictures back while it is scrolled down, and shows them when asked', async () => {
    await using view = await pages.open(easel, { height: 600 });
    const { page } = view;
    await cardOf(page, 1000).waitFor();
    // Every page that is read, and every frame that is asked for, lets the gallery look where the window is.
    await page.getByRole('button', { name: 'Load more' }).waitFor({ state: 'attached' });
    await page.evaluate(
      'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))',
    );
    // As on a busy machine: the pictures come before the page has drawn anything since the scrolling.
    await page.evaluate('window.draw = requestAnimationFrame; requestAnimationFrame = () => 0; scrollTo(0, 700)');
    const topmost = 'document.elementFromPoint(200, 300).closest("a").dataset.mediaId';
    const seen = await page.evaluate(topmost);
    await make(easel, { prompt: 'first of two' });
    await make(easel, { prompt: 'second of two' });
    await page.getByRole('button', { name: '2 new pictures' }).waitFor();
    expect(await page.evaluate(topmost)).toBe(seen);
    await page.evaluate('requestAnimationFrame = draw; dispatchEvent(new Event("resize"))');
    await page.getByRole('button', { name: '2 new pictures' }).click();
    await page.getByRole('link', { name: /^second of two / }).waitFor();
    await until(() => page.evaluate('document.activeElement.textContent.startsWith("second of two")'));
    await page.getByRole('link', { name: /^first of two / }).waitFor();
  });
});
