import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAiError } from '../../support/openai/answers.ts';
import { axe } from '../../support/page/axe.ts';
import { chromiumNote, hasChromium } from '../../support/page/chromium.ts';
import { pageOpener } from '../../support/page/open-page.ts';
import { type PageService, startPageService } from '../../support/page/page-service.ts';
import { until } from '../../support/until.ts';
import { make } from './many-pictures.ts';

const pages = pageOpener();

/** The prompts on show, in order. */
async function shown(page: Page): Promise<readonly string[]> {
  return (await page.evaluate(
    '[...document.querySelectorAll(".card-title")].map((title) => title.textContent)',
  )) as string[];
}

async function untilShown(page: Page, ...prompts: readonly string[]): Promise<void> {
  await until(async () => JSON.stringify(await shown(page)) === JSON.stringify(prompts));
}

describe.skipIf(!hasChromium)(`the filters of the gallery${chromiumNote}`, () => {
  let easel: PageService;
  beforeAll(async () => {
    easel = await startPageService({ IMAGE_SIZE: '256x192' });
  });
  afterAll(() => easel[Symbol.asyncDispose]());

  it('choose by words, status, label and preset, stand in the hash, and are kept by Reload and Back', async () => {
    easel.upstream.script(openAiError('moderation_blocked'));
    await make(easel, { prompt: 'red fox', labels: ['animals'] });
    await make(easel, { prompt: 'red barn', labels: ['farm'] });
    await make(easel, { prompt: 'grey wolf', labels: ['animals', 'farm'], preset: 'social-card' });
    await using view = await pages.open(easel);
    const { page } = view;
    await untilShown(page, 'grey wolf', 'red barn', 'red fox');

    const search = page.getByRole('searchbox', { name: 'Search' });
    await search.pressSequentially('RED');
    await untilShown(page, 'red barn', 'red fox');
    expect(await page.evaluate('document.activeElement.type')).toBe('search');
    await page.getByLabel('Status', { exact: true }).selectOption('Failed');
    await untilShown(page, 'red fox');
    await page.getByLabel('Status').selectOption('Failed or cancelled');
    expect(new URL(page.url()).hash).toBe('#/?status=failed&status=cancelled&q=RED');
    await untilShown(page, 'red fox');
    await page.getByRole('button', { name: 'Label' }).click();
    await page.getByRole('checkbox', { name: 'animals' }).waitFor();
    expect(await axe(page)).toEqual([]);
    await page.keyboard.press('Escape');
    expect(await page.getByRole('checkbox', { name: 'animals' }).count()).toBe(0);

    await page.reload();
    await untilShown(page, 'red fox');
    expect(await search.inputValue()).toBe('RED');
    await page.goBack();
    await untilShown(page, 'red fox');
    await page.goBack();
    await untilShown(page, 'red barn', 'red fox');
    await page.goBack();
    await untilShown(page, 'grey wolf', 'red barn', 'red fox');
    expect(await search.inputValue()).toBe('');

    await page.getByRole('button', { name: 'Label' }).click();
    await page.getByRole('checkbox', { name: 'animals' }).check();
    await untilShown(page, 'grey wolf', 'red fox');
    await page.getByLabel('Preset').selectOption('social-card');
    await untilShown(page, 'grey wolf');
    // A picture that fits comes by itself, another one does not.
    await make(easel, { prompt: 'blue whale', labels: ['animals'] });
    await make(easel, { prompt: 'blue jay', labels: ['animals'], preset: 'social-card' });
    await untilShown(page, 'blue jay', 'grey wolf');
    await search.fill('nothing of that kind');
    await page.getByRole('heading', { name: 'No picture matches' }).waitFor();
    await page.getByRole('button', { name: 'Clear filters' }).click();
    await untilShown(page, 'blue jay', 'blue whale', 'grey wolf', 'red barn', 'red fox');
    // A link that was typed may name no status: that is passed over.
    await page.goto(`${easel.url}/#/?status=done&q=barn`);
    await untilShown(page, 'red barn');
  });

  it('says in words why the list cannot be read', async () => {
    await using view = await pages.open(easel, { path: `/#/?q=${'x'.repeat(201)}` });
    view.expectProblem(/400/);
    await view.page.getByRole('alert').getByText('Something in the request is not right').waitFor();
    await view.page.getByRole('button', { name: 'Try again' }).waitFor();
  });
});
