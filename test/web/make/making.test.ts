import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { postUntilTaken } from '../../support/cluster/post-taken.ts';
import { picture } from '../../support/openai/answers.ts';
import { axe } from '../../support/page/axe.ts';
import { chromiumNote, hasChromium } from '../../support/page/chromium.ts';
import { pageOpener } from '../../support/page/open-page.ts';
import { type PageService, startPageService } from '../../support/page/page-service.ts';
import { texturedPicture } from '../../support/pictures.ts';
import { until } from '../../support/until.ts';

const pages = pageOpener();
/** Light and dark at both widths, without a page of its own for each. */
const LOOKS = [
  { width: 390, colorScheme: 'light' },
  { width: 390, colorScheme: 'dark' },
  { width: 1280, colorScheme: 'dark' },
  { width: 1280, colorScheme: 'light' },
] as const;

describe.skipIf(!hasChromium)(`making pictures on the page${chromiumNote}`, () => {
  let service: PageService;
  beforeAll(async () => {
    service = await startPageService();
  });
  beforeEach(() => service.upstream.reset());
  afterAll(() => service[Symbol.asyncDispose]());

  it('shows what would be sent and cost before anything is paid, then makes the picture and shows it', async () => {
    await using view = await pages.open(service, { path: '/#/make' });
    const { page } = view;
    await page.getByRole('radio', { name: /^article-hero/ }).check();
    await page.getByRole('textbox', { name: 'Prompt' }).fill('a lighthouse at dusk');
    await page
      .getByRole('group', { name: 'Final prompt' })
      .getByText(/^a lighthouse at dusk\s+Style:/)
      .waitFor();
    await page.getByLabel('Size').fill('1792x1008');
    const crop = page.getByRole('img', { name: /asked for \d+x\d+ pixels, and \d+x\d+ .* kept/ });
    await crop.waitFor();
    await page.getByText(/^\$0\.\d+$/).waitFor();
    expect(service.upstream.calls).toHaveLength(0);

    const gate = service.upstream.gate();
    service.upstream.script(picture({ beforeHeaders: gate }));
    await page.getByRole('button', { name: 'Make', exact: true }).click();
    await gate.reached();
    await page.getByText('Being painted').first().waitFor();
    gate.open();
    await page
      .getByRole('img', { name: /^a lighthouse at dusk/ })
      .first()
      .waitFor();
    await until(async () => (await page.getByText('Being painted').count()) === 0);
    expect(service.upstream.calls).toHaveLength(1);
  });

  it('edits a picture with another one that is dropped on the form', async () => {
    await using view = await pages.open(service, { path: '/#/make' });
    const { page } = view;
    await page.getByRole('textbox', { name: 'Prompt' }).fill('the same in winter');
    const bytes = JSON.stringify([...(await texturedPicture({ width: 256, height: 256 }))]);
    // As text, since the browser's names are none of Node's.
    const transfer = `(() => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([new Uint8Array(${bytes})], 'dropped.png', { type: 'image/png' }));
      return transfer;
    })()`;
    const data = await page.evaluateHandle(transfer);
    await page.locator('.drop').first().dispatchEvent('drop', { dataTransfer: data });
    await page.getByRole('button', { name: 'Remove dropped.png' }).waitFor();
    await page.evaluate(`void document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: ${transfer} }))`);
    await expect.poll(() => page.getByRole('button', { name: 'Remove dropped.png' }).count()).toBe(2);
    await page.getByRole('button', { name: 'Remove dropped.png' }).last().click();
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Add pictures');
    await page.getByRole('button', { name: 'Make', exact: true }).click();
    await page
      .getByRole('img', { name: /^the same in winter/ })
      .first()
      .waitFor();
    expect(service.upstream.calls[0]).toMatchObject({ operation: 'edits' });
  });

  it('marks the field that is wrong, in words, and sends nothing', async () => {
    await using view = await pages.open(service, { path: '/#/make' });
    view.expectProblem(/status of 400/);
    const { page } = view;
    await page.getByRole('textbox', { name: 'Prompt' }).fill('a lighthouse');
    const size = page.getByLabel('Size');
    await size.fill('99999x3');
    await page.locator('.field-error').getByText('each side must be 16 to 4096 pixels').waitFor();
    expect(await size.getAttribute('aria-invalid')).toBe('true');
    await page.getByRole('button', { name: 'Make', exact: true }).click();
    await page.getByRole('alert').getByText('Something in the request is not right').waitFor();
    expect(service.upstream.calls).toHaveLength(0);
    expect(await page.getByRole('textbox', { name: 'Prompt' }).inputValue()).toBe('a lighthouse');
  });

  it('says at the name that it is taken, and makes the picture under another one', async () => {
    await postUntilTaken(service, { mediaId: 'taken', prompt: 'a lighthouse' });
    await using view = await pages.open(service, { path: '/#/make' });
    view.expectProblem(/status of 409/);
    const { page } = view;
    await page.getByRole('textbox', { name: 'Prompt' }).fill('a fox');
    await page.getByText('More', { exact: true }).click();
    const name = page.getByLabel('Name');
    await name.fill('taken');
    await page.getByRole('button', { name: 'Make', exact: true }).click();
    await page.getByText('This name is taken: choose another.').waitFor();
    expect(await name.getAttribute('aria-invalid')).toBe('true');
    await name.fill('free');
    await page.getByText('This name is taken: choose another.').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Make', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: /^a fox/ }).waitFor();
  });

  it('says that a picture to start from is gone, beside it', async () => {
    await using view = await pages.open(service, { path: '/#/make?input=gone' });
    view.expectProblem(/status of 40[04]/);
    await view.page.getByText('This picture is gone').waitFor();
    await view.page.getByRole('textbox', { name: 'Prompt' }).fill('the same in winter');
    await view.page.locator('.inputs .field-error').waitFor();
  });

  it('keeps the form over Back and Reload', async () => {
    await using view = await pages.open(service, { path: '/#/make' });
    const { page } = view;
    await page.getByRole('textbox', { name: 'Prompt' }).fill('half a thought');
    await page.getByRole('link', { name: 'Gallery' }).click();
    await page.goBack();
    expect(await page.getByRole('textbox', { name: 'Prompt' }).inputValue()).toBe('half a thought');
    await page.reload();
    expect(await page.getByRole('textbox', { name: 'Prompt' }).inputValue()).toBe('half a thought');
  });

  it('fills in the request of a picture that is made again with changes', async () => {
    const made = await postUntilTaken(service, {
      mediaId: 'first',
      brief: { subject: 'a lighthouse', avoid: ['people'] },
      labels: ['blog'],
      size: '1024x1024',
    });
    expect(made.status).toBe(201);
    await using view = await pages.open(service, { path: '/#/make?from=first' });
    const { page } = view;
    await page.getByText('As it was asked for:').waitFor();
    expect(await page.getByLabel('Subject').inputValue()).toBe('a lighthouse');
    expect(await page.getByLabel('Avoid').inputValue()).toBe('people');
    await page.getByLabel('Mood').fill('stormy');
    await page.getByRole('button', { name: 'Make', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: /lighthouse/ }).waitFor();
    expect(service.upstream.calls).toHaveLength(2);
  });

  it('has nothing serious for axe on a phone and on a desk, light and dark, and no style of its own', async () => {
    await using view = await pages.open(service, { path: '/#/make' });
    const { page } = view;
    await page.getByRole('radio', { name: 'In parts' }).check();
    await page.getByLabel('Subject').fill('a lighthouse');
    await page.getByText('More', { exact: true }).click();
    await page.getByText('Estimated cost').waitFor();
    for (const { width, colorScheme } of LOOKS) {
      await page.setViewportSize({ width, height: 800 });
      await page.emulateMedia({ colorScheme });
      expect(await axe(page)).toEqual([]);
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      expect(await page.locator('[style]').count()).toBe(0);
    }
  });
});
