import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAiError, picture } from '../../support/openai/answers.ts';
import { axe } from '../../support/page/axe.ts';
import { chromiumNote, hasChromium } from '../../support/page/chromium.ts';
import { pageOpener } from '../../support/page/open-page.ts';
import { type PageService, startPageService } from '../../support/page/page-service.ts';
import { until } from '../../support/until.ts';
import { make } from './many-pictures.ts';

const pages = pageOpener();
const SMALL = { IMAGE_SIZE: '256x192' };

function card(page: Page, prompt: string) {
  return page.getByRole('link', { name: new RegExp(`^${prompt} `) });
}

async function change(
  easel: { readonly url: string },
  method: 'PATCH' | 'DELETE',
  mediaId: string,
  body?: object,
): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  await fetch(`${easel.url}/images/${mediaId}`, { method, ...(body && { headers, body: JSON.stringify(body) }) });
}

describe.skipIf(!hasChromium)(`the gallery, live${chromiumNote}`, () => {
  let easel: PageService;
  beforeAll(async () => {
    easel = await startPageService(SMALL);
  });
  afterAll(() => easel[Symbol.asyncDispose]());

  it('says how to begin, then shows a picture from its request to its end, with the partial pictures', async () => {
    await using view = await pages.open(easel);
    const { page } = view;
    await page.getByRole('heading', { name: 'No pictures yet' }).waitFor();
    expect(await page.getByLabel('command').first().inputValue()).toContain(`curl ${easel.url}/images`);
    expect(await axe(page)).toEqual([]);

    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ drip: { pause: gate } }));
    await make(easel, { mediaId: 'slow', prompt: 'a slow lighthouse', partials: 1, labels: ['coast'] }, false);
    const slow = card(page, 'a slow lighthouse');
    await slow.getByText('Being painted').first().waitFor();
    await slow.getByText(/^\d+ s$/).waitFor();
    await slow.getByText('by openai').waitFor();
    await slow.getByRole('img', { name: /^a slow lighthouse, as far as it is/ }).waitFor({ state: 'attached' });
    expect(await slow.locator('img').getAttribute('src')).toMatch(/^blob:/);
    gate.open();
    await page.getByRole('link', { name: /^a slow lighthouse Done/ }).waitFor();
    const image = slow.locator('img');
    expect(await image.getAttribute('alt')).toBe('a slow lighthouse');
    expect(await image.getAttribute('src')).toMatch(/^media\//);
    await slow.getByText('coast').waitFor();
    await change(easel, 'DELETE', 'slow');
    await page.getByRole('heading', { name: 'No pictures yet' }).waitFor();
  });

  it('says why a picture failed and what to do, marks a pin, and takes away what another tab deleted', async () => {
    easel.upstream.script(openAiError('moderation_blocked'));
    await make(easel, { mediaId: 'refused', prompt: 'a refused thing' });
    await make(easel, { mediaId: 'kept', prompt: 'a kept thing' });
    await using view = await pages.open(easel, { width: 390, dark: true });
    const { page } = view;
    const refused = card(page, 'a refused thing');
    await refused.getByText('The provider refused the prompt').waitFor();
    await refused.getByText(/make it again with changes/).waitFor();
    await change(easel, 'PATCH', 'kept', { pinned: true });
    await page.getByRole('link', { name: /^a kept thing Done .*Pinned/ }).waitFor();
    expect(await axe(page)).toEqual([]);
    await card(page, 'a kept thing').focus();
    await change(easel, 'DELETE', 'kept');
    // The focus goes to the picture that takes its place.
    await until(() => page.evaluate('document.activeElement.getAttribute("data-media-id") === "refused"'));
    await change(easel, 'DELETE', 'refused');
    await page.getByRole('heading', { name: 'No pictures yet' }).waitFor();
  });

  it('reads on by itself when a lost service is back', async () => {
    await make(easel, { mediaId: 'before', prompt: 'from before' });
    await using view = await pages.open(easel);
    view.expectProblem(/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/);
    const { page } = view;
    await card(page, 'from before').waitFor();
    await easel.kill();
    await page.getByText('The service cannot be reached').waitFor();
    // A choice of filters, made meanwhile, is kept and read when it can be.
    await page.getByRole('searchbox', { name: 'Search' }).fill('later');
    await page.getByRole('searchbox', { name: 'Search' }).press('Enter');
    await easel.restart();
    await page.getByRole('heading', { name: 'No picture matches' }).waitFor();
    await make(easel, { prompt: 'from later on' });
    await card(page, 'from later on').waitFor();
  });
});
