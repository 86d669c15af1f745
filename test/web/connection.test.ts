import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { postUntilTaken } from '../support/cluster/post-taken.ts';
import { chromiumNote, hasChromium } from '../support/page/chromium.ts';
import { pageOpener } from '../support/page/open-page.ts';
import { type PageService, startPageService } from '../support/page/page-service.ts';
import { until } from '../support/until.ts';

const pages = pageOpener();
/** What Chromium writes on its console about requests to a service that is not there. */
const NOT_THERE = /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|ERR_NETWORK/;

describe.skipIf(!hasChromium)(`the page while the service is gone${chromiumNote}`, () => {
  let service: PageService;

  beforeAll(async () => {
    service = await startPageService();
    return () => service[Symbol.asyncDispose]();
  });

  beforeEach(() => service.upstream.reset());

  it('says so, keeps the form, sends what was sent meanwhile once, and catches up by itself', async () => {
    await using view = await pages.open(service, { path: '/#/make' });
    view.expectProblem(NOT_THERE);
    const { page } = view;
    await page.getByRole('textbox', { name: 'Prompt' }).fill('a lighthouse');
    await page.getByText('Estimated cost').waitFor();
    await service.kill();
    await page.getByText('The service cannot be reached.').first().waitFor();
    await page.getByRole('textbox', { name: 'Prompt' }).fill('a lighthouse at dusk');
    await page.getByRole('button', { name: 'Make', exact: true }).click();
    await page.getByText('It is sent again as soon as it is back').waitFor();
    expect(await page.getByRole('textbox', { name: 'Prompt' }).inputValue()).toBe('a lighthouse at dusk');
    await service.restart();
    await page.getByRole('heading', { level: 1, name: /^a lighthouse at dusk/ }).waitFor();
    await page
      .getByRole('img', { name: /^a lighthouse at dusk/ })
      .first()
      .waitFor();
    await page.getByText('The service cannot be reached.').waitFor({ state: 'detached' });
    expect(service.upstream.calls).toHaveLength(1);
  });

  it('asks once for a picture whose answer was lost: sent again after a crash, it is the same one', async () => {
    await using view = await pages.open(service, { path: '/#/make' });
    view.expectProblem(NOT_THERE);
    const { page } = view;
    await page.getByRole('textbox', { name: 'Prompt' }).fill('a lighthouse');
    const keys: (string | undefined)[] = [];
    await page.route('**/images', async (route) => {
      keys.push(route.request().headers()['idempotency-key']);
      if (keys.length > 1) return await route.continue();
      const { mediaId } = (await (await route.fetch()).json()) as { mediaId: string };
      await until(async () => {
        const record = (await (await fetch(`${service.url}/images/${mediaId}`)).json()) as { status: string };
        return record.status === 'succeeded';
      });
      await service.kill();
      await route.abort('connectionreset');
    });
    await page.getByRole('button', { name: 'Make', exact: true }).dblclick();
    await page.getByText('It is sent again as soon as it is back').waitFor();
    await service.restart();
    await page.getByRole('heading', { level: 1, name: /^a lighthouse/ }).waitFor();
    expect(service.upstream.calls).toHaveLength(1);
    expect(new Set(keys).size).toBe(1);
  });

  it('notices a service that hangs, with nothing being done, and resumes the events where they were', async () => {
    await using view = await pages.open(service, { path: '/#/make' });
    view.expectProblem(NOT_THERE);
    const { page } = view;
    await page.getByRole('textbox', { name: 'Prompt' }).fill('a lighthouse');
    await page.getByText('Estimated cost').waitFor();
    service.suspend();
    await page.getByText('The service cannot be reached.').first().waitFor();
    const resumed = page.waitForRequest(
      (request) => request.url().endsWith('/events') && request.headers()['last-event-id'] !== undefined,
    );
    service.resume();
    await page.getByText('The service cannot be reached.').waitFor({ state: 'detached' });
    await resumed;
    expect(await page.getByRole('textbox', { name: 'Prompt' }).inputValue()).toBe('a lighthouse');
  });

  it('says that a part of the page could not be loaded, and loads it when asked again', async () => {
    await using view = await pages.open(service);
    view.expectProblem(/ERR_FAILED/);
    const { page } = view;
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.route('**/page/make-make-*.js', (route) => route.abort());
    await page.getByRole('link', { name: 'Make', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: 'This part of the page could not be loaded' }).waitFor();
    await page.unroute('**/page/make-make-*.js');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByRole('textbox', { name: 'Prompt' }).waitFor();
  });

  it('works in six tabs at once, though a browser has six connections to a host', async () => {
    await using first = await pages.open(service, { path: '/#/make' });
    await using tabs = new AsyncDisposableStack();
    const views = [first];
    for (let tab = 2; tab <= 6; tab += 1) {
      views.push(tabs.use(await pages.open(service, { path: '/#/make', besides: first })));
    }
    for (const { page } of views) {
      await page.getByRole('textbox', { name: 'Prompt' }).fill('a lighthouse');
      await page.getByText('Estimated cost').waitFor();
    }
  });

  it('shows in the gallery what was made while it was gone', async () => {
    await using view = await pages.open(service);
    view.expectProblem(NOT_THERE);
    const { page } = view;
    await page.getByRole('heading', { level: 1 }).waitFor();
    await service.kill();
    await page.getByText('The service cannot be reached.').first().waitFor();
    await service.restart();
    await postUntilTaken(service, { prompt: 'made meanwhile' });
    await page.getByRole('link', { name: /^made meanwhile/ }).waitFor();
  });

  it('shows the same in two tabs', async () => {
    await using one = await pages.open(service);
    await using other = await pages.open(service, { besides: one });
    await one.page.goto(`${service.url}/#/make`);
    await one.page.getByRole('textbox', { name: 'Prompt' }).fill('for both tabs');
    await one.page.getByRole('button', { name: 'Make', exact: true }).click();
    await one.page
      .getByRole('img', { name: /^for both tabs/ })
      .first()
      .waitFor();
    await other.page.getByRole('link', { name: /^for both tabs/ }).click();
    await other.page.getByRole('button', { name: 'Delete' }).click();
    await other.page
      .getByRole('dialog')
      .getByRole('button', { name: /Delete/ })
      .click();
    await one.page
      .getByText(/deleted/i)
      .first()
      .waitFor();
  });
});
