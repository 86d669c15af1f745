/**
 * The page in a real browser, which is watched: what goes wrong in it fails the test, unless the test expects it.
 *
 *     const pages = pageOpener();
 *     describe.skipIf(!hasChromium)(`the gallery${chromiumNote}`, () => {
 *       it('shows a picture', async () => {
 *         await using easel = await startEasel();
 *         await using view = await pages.open(easel, { width: 390 });
 *         await view.page.getByRole('link', { name: 'a lighthouse' }).click();
 *       });
 *     });
 */

import type { BrowserContext, Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';
import { LONGEST_WAIT_MS } from '../until.ts';
import { testBrowser } from './chromium.ts';

export interface OpenPageOptions {
  /** Typed into the field "API key" and sent with Enter, as a person does it; none by default. */
  readonly key?: string;
  /** Width of the window in CSS pixels; 1280 by default. */
  readonly width?: number;
  /** Height of the window in CSS pixels; 800 by default. */
  readonly height?: number;
  /** True for a person who prefers dark pages. */
  readonly dark?: boolean;
  /** Where to open it, below the service's URL; `/` by default, and `/#/make` for example. */
  readonly path?: string;
  /** Shows another tab of the same browser, with the same `localStorage`; by default each page has a profile of its own. */
  readonly besides?: OpenedPage;
}

export interface OpenedPage extends AsyncDisposable {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Everything that went wrong so far: errors on the console, uncaught ones, refusals by the policy, requests to other hosts. */
  readonly problems: readonly string[];
  /** Expects problems that match: those do not fail the test. Chromium reports every answer with a status from 400 as an error. */
  expectProblem(pattern: RegExp): void;
}

interface Service {
  /** Such as `http://127.0.0.1:3000`. */
  readonly url: string;
}

/** Opens pages for the tests of the file that calls this while it is loaded, all in one browser. */
export function pageOpener(): { open(service: Service, options?: OpenPageOptions): Promise<OpenedPage> } {
  const browser = testBrowser();
  return {
    async open(service, options = {}) {
      const { width = 1280, height = 800, dark = false, path = '/' } = options;
      const context =
        options.besides?.context ??
        (await (
          await browser()
        ).newContext({
          viewport: { width, height },
          colorScheme: dark ? 'dark' : 'light',
          reducedMotion: 'reduce',
          permissions: ['clipboard-read', 'clipboard-write'],
        }));
      context.setDefaultTimeout(LONGEST_WAIT_MS);
      const page = await context.newPage();
      const opened = watch(page, service, options.besides === undefined ? () => context.close() : () => page.close());
      await page.goto(service.url + path);
      if (options.key !== undefined) {
        const field = page.getByLabel('API key');
        await field.fill(options.key);
        await field.press('Enter');
      }
      return opened;
    },
  };
}

function watch(page: Page, service: Service, close: () => Promise<void>): OpenedPage {
  const problems: string[] = [];
  const expected: RegExp[] = [];
  const { origin } = new URL(service.url);
  let closing: Promise<void> | undefined;
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(`on the console: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => problems.push(`uncaught: ${error.stack ?? error.message}`));
  page.on('request', (request) => {
    const url = new URL(request.url());
    const isOwn =
      url.origin === origin || url.protocol === 'data:' || (url.protocol === 'blob:' && url.origin === origin);
    if (!isOwn) problems.push(`a request to another host: ${request.method()} ${request.url()}`);
  });
  const end = () => {
    closing ??= close();
    return closing;
  };
  // Not at the end of the block: an error there would hide the one for which the test left it.
  onTestFinished(async () => {
    await end();
    expect(problems.filter((problem) => !expected.some((pattern) => pattern.test(problem)))).toEqual([]);
  });
  return {
    page,
    context: page.context(),
    problems,
    expectProblem: (pattern) => void expected.push(pattern),
    [Symbol.asyncDispose]: end,
  };
}
