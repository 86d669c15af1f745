import { describe, expect, it } from 'vitest';
import { postUntilTaken } from '../../support/cluster/post-taken.ts';
import { openAiError } from '../../support/openai/answers.ts';
import { axe } from '../../support/page/axe.ts';
import { chromiumNote, hasChromium } from '../../support/page/chromium.ts';
import { pageOpener } from '../../support/page/open-page.ts';
import { startPageService } from '../../support/page/page-service.ts';

const pages = pageOpener();
/** Light and dark at both widths, without a page of its own for each. */
const LOOKS = [
  { width: 390, colorScheme: 'light' },
  { width: 390, colorScheme: 'dark' },
  { width: 1280, colorScheme: 'dark' },
  { width: 1280, colorScheme: 'light' },
] as const;

describe.skipIf(!hasChromium)(`operations on the page${chromiumNote}`, () => {
  it('shows providers, queue, spending, stages, storage and models in words', async () => {
    await using service = await startPageService({ BUDGET_USD_PER_DAY: '5' });
    expect((await postUntilTaken(service, { prompt: 'a lighthouse' })).status).toBe(201);
    await using view = await pages.open(service, { path: '/#/operations' });
    const { page } = view;
    await page.getByRole('heading', { level: 3, name: /^openai/ }).waitFor();
    await page.getByText('Works', { exact: true }).waitFor();
    await page.getByRole('img', { name: /^Spending a day.*the budget is \$5\.00$/ }).waitFor();
    await page.getByRole('rowheader', { name: /^The call to the model/ }).waitFor();
    await page.getByText('Nothing waits').waitFor();
    await page.getByRole('rowheader', { name: /^gpt-image-2 openai/ }).waitFor();
    await page.getByText('All of them arrive.').waitFor();
  });

  it('says that a provider is down, and why', async () => {
    await using service = await startPageService();
    service.upstream.always(openAiError('invalid_api_key'));
    await postUntilTaken(service, { prompt: 'a lighthouse' });
    await using view = await pages.open(service, { path: '/#/operations' });
    await view.page.getByText('Down', { exact: true }).waitFor();
    await view.page.getByText(/^Last error/).waitFor();
  });

  it('names the pictures that a cleanup would take, deletes them only after asking, and keeps pinned ones', async () => {
    await using service = await startPageService({ RETENTION: '1s', CLEANUP_INTERVAL_SECONDS: '86400' });
    for (const mediaId of ['goes', 'stays']) {
      expect((await postUntilTaken(service, { mediaId, prompt: mediaId })).status).toBe(201);
    }
    await fetch(`${service.url}/images/stays`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ pinned: true }),
    });
    await using view = await pages.open(service, { path: '/#/operations' });
    const { page } = view;
    const dryRun = page.getByRole('button', { name: 'Dry run' });
    const named = page.getByRole('link', { name: 'goes' });
    await expect
      .poll(async () => {
        await dryRun.click();
        await page.getByText(/^It would delete/).waitFor();
        return await named.count();
      })
      .toBe(1);
    expect(await page.getByRole('link', { name: 'stays' }).count()).toBe(0);

    await page.reload();
    await page.getByText(/The last one, .*, was a dry run: it would have deleted 1 picture/).waitFor();
    await dryRun.click();
    await named.waitFor();
    await page.getByRole('button', { name: 'Clean up now' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete them' }).click();
    await page.getByText(/^It deleted 1 picture/).waitFor();
    expect((await fetch(`${service.url}/images/goes`)).status).toBe(404);
    expect((await fetch(`${service.url}/images/stays`)).status).toBe(200);
  });

  it('shows a webhook that fails, and sends it again', async () => {
    await using service = await startPageService({ WEBHOOK_ALLOW_HOSTS: '127.0.0.1:9' });
    await postUntilTaken(service, { prompt: 'a lighthouse', webhookUrl: 'http://127.0.0.1:9/hook' });
    await using view = await pages.open(service, { path: '/#/operations' });
    const { page } = view;
    await page.getByText('127.0.0.1:9', { exact: true }).waitFor();
    await page.getByRole('button', { name: /^Send again to 127\.0\.0\.1:9/ }).click();
    await page.getByText('The webhook to 127.0.0.1:9 is sent again.').waitFor();
  });

  it('has nothing serious for axe on a phone and on a desk, light and dark, and no style of its own', async () => {
    await using service = await startPageService({ BUDGET_USD_PER_DAY: '5', MEDIA_MAX_BYTES: '1000000000' });
    await postUntilTaken(service, { prompt: 'a lighthouse' });
    await using view = await pages.open(service, { path: '/#/operations' });
    const { page } = view;
    await page.getByRole('rowheader', { name: /^The call to the model/ }).waitFor();
    await page.getByRole('button', { name: 'Dry run' }).click();
    await page.getByText(/^It would delete/).waitFor();
    for (const { width, colorScheme } of LOOKS) {
      await page.setViewportSize({ width, height: 800 });
      await page.emulateMedia({ colorScheme });
      expect(await axe(page)).toEqual([]);
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      expect(await page.locator('[style]').count()).toBe(0);
    }
  });
});
