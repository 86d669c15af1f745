import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chromiumNote, hasChromium } from '../support/page/chromium.ts';
import { pageOpener } from '../support/page/open-page.ts';
import { type PageService, startPageService } from '../support/page/page-service.ts';
import { TEST_KEYS } from '../support/test-keys.ts';

const pages = pageOpener();
const ENV = { API_KEYS: TEST_KEYS };
/** What Chromium writes on its console about an answer of 401. */
const REFUSED = /status of 401/;

describe.skipIf(!hasChromium)(`keys on the page${chromiumNote}`, () => {
  let service: PageService;
  beforeAll(async () => {
    service = await startPageService(ENV);
  });
  afterAll(() => service[Symbol.asyncDispose]());

  it('asks for a key, says that a wrong one is refused, and takes a right one', async () => {
    await using view = await pages.open(service);
    view.expectProblem(REFUSED);
    const { page } = view;
    const dialog = page.getByRole('dialog', { name: 'Enter your key' });
    const field = dialog.getByLabel('API key');
    await field.fill('wrong-secret');
    await dialog.getByRole('button', { name: 'Use this key' }).click();
    await dialog.getByText('does not know this key').waitFor();
    await field.fill('also-wrong');
    const refused = page.waitForResponse(/whoami$/);
    await field.press('Enter');
    await refused;
    await dialog.getByText('does not know this key').waitFor();
    expect(await page.evaluate("sessionStorage.getItem('easel.key')")).toBeNull();
    await field.fill('blog-secret');
    await field.press('Enter');
    await page.getByText('Key blog').waitFor();
    expect(await dialog.count()).toBe(0);
  });

  it('keeps a key for the tab, and on the device only where that is asked for', async () => {
    await using view = await pages.open(service, { key: 'blog-secret' });
    view.expectProblem(REFUSED);
    const { page } = view;
    const stored = () =>
      page.evaluate("[sessionStorage.getItem('easel.key'), localStorage.getItem('easel.key'), document.cookie]");
    await page.getByText('Key blog').waitFor();
    expect(await stored()).toEqual(['blog-secret', null, '']);
    await page.reload();
    await page.getByText('Key blog').waitFor();

    await page.getByRole('button', { name: 'Forget key' }).click();
    await page.getByLabel('API key').fill('shop-secret');
    expect(await stored()).toEqual([null, null, '']);
    await page.getByLabel('Remember on this device').check();
    await page.getByRole('button', { name: 'Use this key' }).click();
    await page.getByText('Key shop').waitFor();

    await using other = await pages.open(service, { besides: view });
    await other.page.getByText('Key shop').waitFor();
    await other.page.getByRole('button', { name: 'Forget key' }).click();
    await page.getByText('The key is forgotten.').waitFor();
    expect(await stored()).toEqual([null, null, '']);
  });

  it('shows nothing of what a key saw once it is forgotten, and does not go on with what it asked', async () => {
    await using view = await pages.open(service, { key: 'blog-secret', path: '/#/make' });
    view.expectProblem(REFUSED);
    view.expectProblem(/ERR_FAILED/);
    const { page } = view;
    await page.getByRole('textbox', { name: 'Prompt' }).fill('for the blog');
    await page.route('**/images', (route) => route.abort());
    await page.getByRole('button', { name: 'Make', exact: true }).click();
    await page.getByText('It is sent again as soon as it is back').waitFor();
    await page.getByRole('button', { name: 'Forget key' }).click();
    expect(await page.getByRole('textbox', { name: 'Prompt' }).count()).toBe(0);
    await page.unroute('**/images');
    await page.getByLabel('API key').fill('shop-secret');
    await page.getByRole('button', { name: 'Use this key' }).click();
    await page.getByText('Key shop').waitFor();
    await page.getByRole('textbox', { name: 'Prompt' }).waitFor();
    await page.getByText('Estimated cost').waitFor();
    expect(service.upstream.calls).toHaveLength(0);
  });

  it('works for as long as the page is open where the browser stores nothing', async () => {
    await using view = await pages.open(service);
    view.expectProblem(REFUSED);
    const { page } = view;
    await page.addInitScript(`for (const name of ['sessionStorage', 'localStorage']) {
      Object.defineProperty(window, name, { get() { throw new DOMException('blocked', 'SecurityError'); } });
    }`);
    await page.reload();
    await page.getByLabel('API key').fill('blog-secret');
    await page.getByLabel('Remember on this device').check();
    await page.getByRole('button', { name: 'Use this key' }).click();
    await page.getByText('Key blog').waitFor();
    await page.getByRole('link', { name: 'Make', exact: true }).click();
    await page.getByRole('textbox', { name: 'Prompt' }).fill('a lighthouse');
    await page.getByText('Estimated cost').waitFor();
  });

  it('sends a key as Authorization, and in no URL', async () => {
    await using view = await pages.open(service);
    view.expectProblem(REFUSED);
    const urls: string[] = [];
    view.page.on('request', (request) => urls.push(request.url()));
    await view.page.getByLabel('API key').fill('blog-secret');
    await view.page.getByRole('button', { name: 'Use this key' }).click();
    await view.page.getByText('Key blog').waitFor();
    await view.page.goto(`${service.url}/#/make`);
    await view.page.getByRole('textbox', { name: 'Prompt' }).fill('a lighthouse');
    await view.page.getByText('Estimated cost').waitFor();
    expect(urls.filter((url) => url.includes('secret'))).toEqual([]);
    expect(urls.some((url) => url.endsWith('/images/preview'))).toBe(true);
  });

  it('asks again when the key is refused while a form is filled in, and keeps what was typed', async () => {
    await using service = await startPageService(ENV);
    await using view = await pages.open(service, { key: 'blog-secret', path: '/#/make' });
    view.expectProblem(REFUSED);
    view.expectProblem(
      /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|ERR_NETWORK/,
    );
    const { page } = view;
    await page.getByText('Key blog').waitFor();
    await service.kill();
    await service.restart({ API_KEYS: 'blog:another-secret-of-blog:generate+read' });
    await page.getByRole('textbox', { name: 'Prompt' }).fill('a lighthouse at dusk');
    await page.getByLabel('API key').fill('another-secret-of-blog');
    await page.getByRole('button', { name: 'Use this key' }).click();
    await page.getByRole('button', { name: 'Make', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: /^a lighthouse at dusk/ }).waitFor();
  });

  it('offers what the key may do: no Operations without admin, no Make without generate', async () => {
    await using view = await pages.open(service, { key: 'viewer-secret', path: '/#/make' });
    view.expectProblem(REFUSED);
    const { page } = view;
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await page.getByText('Key viewer').waitFor();
    await page.getByText('it lacks the scope generate').waitFor();
    await page.getByRole('textbox', { name: 'Prompt' }).fill('a lighthouse');
    await page.getByText('Keys that may make pictures see it here.').waitFor();
    expect(await page.getByRole('button', { name: 'Make', exact: true }).isDisabled()).toBe(true);
    expect(await page.getByRole('navigation').getByRole('link').allTextContents()).toEqual(['Gallery', 'Make']);
    await page.goto(`${service.url}/#/operations`);
    await page.getByRole('heading', { name: 'Operations are for keys with the scope admin' }).waitFor();
    // A preview would be refused: it is a part of making.
    expect(asked).not.toContain('/images/preview');
  });
});
