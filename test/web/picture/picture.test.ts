import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Easel, startEasel } from '../../support/app/easel.ts';
import { openAiError, picture } from '../../support/openai/answers.ts';
import { axe } from '../../support/page/axe.ts';
import { chromiumNote, hasChromium } from '../../support/page/chromium.ts';
import { pageOpener } from '../../support/page/open-page.ts';
import { until } from '../../support/until.ts';
import { button, copied, patch, path } from './view.ts';

const pages = pageOpener();

const NASTY = `"><script>alert(1)</script> & 'x'`;

describe.skipIf(!hasChromium)(`the picture's view${chromiumNote}`, () => {
  let easel: Easel;
  beforeAll(async () => {
    easel = await startEasel({ env: { CONCURRENCY: '1' } });
  });
  afterEach(async () => {
    const { items } = (await (await easel.get('/images?limit=100')).json()) as { items: { mediaId: string }[] };
    for (const { mediaId } of items) await fetch(`${easel.url}/images/${mediaId}`, { method: 'DELETE' });
  });
  afterAll(() => easel[Symbol.asyncDispose]());

  it('shows a picture, its links and its facts; its picture element parses to the right elements', async () => {
    easel.upstream.script(openAiError('server_error'), picture());
    const made = await easel.post({
      mediaId: 'made',
      prompt: NASTY,
      style: 'vivid',
      labels: ['blog'],
      metadata: { articleId: '42' },
      ttlSeconds: 2_592_000,
      renditions: ['512x320.webp', '256x160.png', '256x256.jpeg'],
    });
    expect(made.status).toBe(201);
    const record = await easel.made('made');
    await using view = await pages.open(easel, { path: path('made') });
    const { page } = view;

    const shown = page.getByRole('img', { name: NASTY });
    await expect.poll(() => shown.evaluate((image) => Reflect.get(image, 'naturalWidth'))).toBe(1024);
    expect(await page.title()).toBe(`${NASTY} · Easel`);
    expect(await page.getByRole('link', { name: 'Open the full size' }).getAttribute('href')).toBe(
      `media/made.png?v=${record.sha256?.slice(0, 12)}`,
    );

    expect(await copied(page, 'link to the master')).toBe(`${easel.url}/media/made.png`);
    expect(await copied(page, 'link to the rendition 512x320.webp')).toBe(`${easel.url}/media/made@512x320.webp`);
    await page.getByRole('button', { name: 'Copy picture element' }).click();
    await page.getByRole('button', { name: 'Copied picture element' }).waitFor();
    const text = await page.evaluate<string>('navigator.clipboard.readText()');
    expect(text).toBe(await copied(page, 'picture element'));
    const parsed = await page.evaluate<unknown>(`(() => {
      const { body } = new DOMParser().parseFromString(${JSON.stringify(text)}, 'text/html');
      const [picture] = body.children;
      return {
        tags: [...body.querySelectorAll('*')].map(({ localName }) => localName),
        types: [...picture.querySelectorAll('source')].map(({ type }) => type),
        alt: picture.querySelector('img').alt,
        width: picture.querySelector('img').width,
        height: picture.querySelector('img').height,
      };
    })()`);
    expect(parsed).toEqual({
      tags: ['picture', 'source', 'source', 'img'],
      types: ['image/webp', 'image/png'],
      alt: NASTY,
      width: 1024,
      height: 640,
    });

    const facts = await page.getByRole('main').innerText();
    for (const words of [
      'Style is not a parameter of gpt-image-2',
      '30 days',
      'articleId: 42',
      "by the provider's own count",
      'failed, and is not billed',
      'HTTP 500: an error inside the provider',
      'of waiting',
      'Tried again. The call to openai brought the picture',
      'Not blank',
      String(record.sha256),
    ]) {
      expect(facts).toContain(words);
    }
    await page.getByText('The stored bytes are those of the record').first().waitFor();
    await page.getByText('Made by a trained model').first().waitFor();
  });

  it('has nothing serious by axe and no overflow, narrow and wide, light and dark, done, failed and waiting', async () => {
    const gate = easel.upstream.gate();
    easel.upstream.script(picture(), openAiError('moderation_blocked'), picture({ beforeHeaders: gate }));
    await easel.post({
      mediaId: 'done',
      prompt: `${'long'.repeat(60)} ${'words '.repeat(400)}`,
      labels: ['x'.repeat(64)],
    });
    await easel.post({ mediaId: 'failed', prompt: 'a boat' });
    await easel.post({ mediaId: 'running', prompt: 'a tower' }, { prefer: 'respond-async' });
    await gate.reached();
    await using view = await pages.open(easel, { path: path('done') });
    const { page } = view;
    for (const [mediaId, words] of [
      ['done', 'The stored bytes are those of the record'],
      ['failed', 'The provider refused the prompt'],
      ['running', 'Being painted'],
    ] as const) {
      await page.goto(`${easel.url}${path(mediaId)}`);
      await page.getByText(words).first().waitFor();
      for (const { width, colorScheme } of [
        { width: 360, colorScheme: 'light' },
        { width: 1280, colorScheme: 'dark' },
      ] as const) {
        await page.setViewportSize({ width, height: 800 });
        await page.emulateMedia({ colorScheme });
        expect(await axe(page)).toEqual([]);
        const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
        expect(await page.evaluate(overflow)).toBe(0);
      }
    }
    gate.open();
  });

  it('shows how far a picture is, its partial pictures and then the picture, and keeps the focus', async () => {
    const [first, second, dripping] = [easel.upstream.gate(), easel.upstream.gate(), easel.upstream.gate()];
    easel.upstream.script(
      picture({ beforeHeaders: first }),
      picture({ beforeHeaders: second, drip: { pause: dripping } }),
    );
    await easel.post({ mediaId: 'before', prompt: 'a boat' }, { prefer: 'respond-async' });
    await first.reached();
    await easel.post({ mediaId: 'made', prompt: 'a lighthouse', partials: 1 }, { prefer: 'respond-async' });
    await using view = await pages.open(easel, { path: path('made') });
    const { page } = view;
    await page.getByText('It is next in the queue.').waitFor();

    first.open();
    await second.reached();
    await page.getByText('openai makes it with gpt-image-2.').waitFor();
    second.open();
    await page.getByRole('img', { name: 'a lighthouse, not finished' }).waitFor();
    // One that opens the page later sees it, too.
    await page.reload();
    await page.getByRole('img', { name: 'a lighthouse, not finished' }).waitFor();
    await button(page, 'Cancel').focus();
    dripping.open();
    const shown = page.getByRole('img', { name: 'a lighthouse', exact: true });
    await expect.poll(() => shown.evaluate((image) => Reflect.get(image, 'naturalWidth'))).toBe(1024);
    await button(page, 'Edit').waitFor();
    // "Cancel" had the focus and is gone.
    expect(await page.evaluate('document.activeElement.className')).toBe('picture-actions');
  });

  it('cancels a picture, says what a retry may cost, and makes it then', async () => {
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    await easel.post({ mediaId: 'made', prompt: 'a lighthouse' }, { prefer: 'respond-async' });
    await gate.reached();
    const calls = easel.upstream.calls.length;
    await using view = await pages.open(easel, { path: path('made') });
    const { page } = view;
    await button(page, 'Cancel').click();
    await page.getByText('It was cancelled').waitFor();
    expect((await easel.record('made')).status).toBe('cancelled');

    await button(page, 'Retry').click();
    const dialog = page.getByRole('dialog', { name: 'Run it again?' });
    await dialog.getByText('may cost up to $').waitFor();
    await dialog.getByRole('button', { name: 'Not now' }).click();
    expect(easel.upstream.calls).toHaveLength(calls);
    await button(page, 'Retry').click();
    await dialog.getByRole('button', { name: 'Retry' }).click();
    await page.getByRole('img', { name: 'a lighthouse', exact: true }).waitFor();
    await expect.poll(async () => (await easel.record('made')).status).toBe('succeeded');
  });

  it('says why a picture failed and what to do', async () => {
    easel.upstream.script(openAiError('moderation_blocked'));
    await easel.post({ mediaId: 'failed', prompt: 'a boat' });
    const { error } = await easel.record('failed');
    await using view = await pages.open(easel, { path: path('failed') });
    await view.page.getByText('The provider refused the prompt').first().waitFor();
    await view.page.getByText(String(error?.detail)).waitFor();
    await view.page.getByText('Change the words').waitFor();
    expect(await button(view.page, 'Edit').count()).toBe(0);
    expect(await button(view.page, 'Again with changes').getAttribute('href')).toBe('#/make?from=failed');
  });

  it('pins, and changes labels; where they were changed meanwhile it says so and loses nothing', async () => {
    await easel.post({ mediaId: 'made', prompt: 'a lighthouse', labels: ['old'] });
    await easel.post({ prompt: 'a boat', labels: ['suggested'] });
    await using view = await pages.open(easel, { path: path('made') });
    const { page } = view;
    const pin = button(page, 'Pin');
    await pin.click();
    await expect.poll(() => pin.getAttribute('aria-pressed')).toBe('true');
    expect(await easel.record('made')).toMatchObject({ pinned: true });

    const tag = () => page.waitForResponse((answer) => answer.url().endsWith('/images/made') && answer.ok());
    const opened = tag();
    await button(page, 'Labels').click();
    await opened;
    const dialog = page.getByRole('dialog', { name: 'Labels' });
    await dialog.locator('option[value=suggested]').waitFor({ state: 'attached' });
    await dialog.getByLabel('New label').fill('mine');
    await dialog.getByLabel('New label').press('Enter');
    await dialog.getByLabel('New label').fill('typed');
    await patch(easel, 'made', { labels: ['theirs', 'old'] });
    view.expectProblem(/412/);
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.getByText('The labels were changed elsewhere meanwhile').waitFor();
    expect(await dialog.getByRole('listitem').allInnerTexts()).toEqual([
      expect.stringContaining('theirs'),
      expect.stringContaining('old'),
      expect.stringContaining('mine'),
    ]);
    expect(await dialog.getByLabel('New label').inputValue()).toBe('typed');
    await dialog.getByRole('button', { name: 'Remove old' }).click();
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.waitFor({ state: 'hidden' });
    expect((await easel.record('made')).labels).toEqual(['theirs', 'mine', 'typed']);
    await page.getByRole('link', { name: 'typed' }).waitFor();
  });

  it('asks before it deletes, and says so in the gallery; a picture that is deleted elsewhere says so', async () => {
    await easel.post({ mediaId: 'made', prompt: 'a lighthouse' });
    await easel.post({ mediaId: 'other', prompt: 'a boat' });
    await using view = await pages.open(easel, { path: path('made') });
    const { page } = view;
    await button(page, 'Delete').click();
    const dialog = page.getByRole('dialog', { name: 'Delete this picture?' });
    await dialog.getByText('the master').waitFor();
    await dialog.getByRole('button', { name: 'Keep it' }).click();
    expect((await easel.get('/images/made')).status).toBe(200);
    await button(page, 'Delete').click();
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('status').getByText('The picture is deleted.').waitFor();
    expect((await easel.get('/images/made')).status).toBe(404);
    expect(new URL(page.url()).hash).toBe('#/');

    await page.goto(`${easel.url}${path('other')}`);
    await button(page, 'Delete').waitFor();
    await fetch(`${easel.url}/images/other`, { method: 'DELETE' });
    await page.getByRole('heading', { name: 'This picture was deleted' }).waitFor();
  });

  it('says that the file cannot be loaded, without a broken picture in its place, and loads it when asked again', async () => {
    await easel.post({ mediaId: 'made', prompt: 'a lighthouse' });
    await using view = await pages.open(easel);
    const { page } = view;
    view.expectProblem(/ERR_FAILED/);
    await page.route('**/media/**', (route) => route.abort());
    await page.evaluate(`location.hash = '#/images/made'`);
    await page.getByRole('alert').getByText('could not be loaded').waitFor();
    await until(() => page.evaluate('[...document.images].every((image) => image.naturalWidth > 0)'));
    await page.unroute('**/media/**');
    await page.getByRole('button', { name: 'Try again' }).click();
    const shown = page.getByRole('img', { name: 'a lighthouse', exact: true });
    await expect.poll(() => shown.evaluate((image) => Reflect.get(image, 'naturalWidth'))).toBe(1024);
  });

  it('says that there is no such picture, and goes back to the gallery as it was', async () => {
    await using view = await pages.open(easel, { path: '/#/?status=failed' });
    const { page } = view;
    view.expectProblem(/404/);
    await page.getByRole('link', { name: 'Gallery' }).waitFor();
    await page.evaluate(`location.hash = '#/images/none'`);
    await page.getByRole('heading', { name: 'There is no such picture' }).waitFor();
    await page.getByRole('link', { name: 'Back to the gallery' }).click();
    await expect.poll(() => new URL(page.url()).hash).toBe('#/?status=failed');
    expect(await page.evaluate('navigation.currentEntry.index')).toBe(0);
  });

  it('loads private pictures by signed links, says when they end, and offers no change to a key that may only read', async () => {
    const keys = 'maker:maker-secret-0123456789:generate+read,looker:looker-secret-0123456789:read-all';
    await using easel = await startEasel({ env: { MEDIA_ACCESS: 'private', API_KEYS: keys } });
    const headers = { authorization: 'Bearer maker-secret-0123456789' };
    await easel.post({ mediaId: 'made', prompt: 'a lighthouse' }, headers);
    await using view = await pages.open(easel, { path: path('made'), key: 'looker-secret-0123456789' });
    const { page } = view;
    view.expectProblem(/401/);
    const shown = page.getByRole('img', { name: 'a lighthouse', exact: true });
    await expect.poll(() => shown.evaluate((image) => Reflect.get(image, 'naturalWidth'))).toBe(1024);
    expect(await copied(page, 'link to the master')).toMatch(/expires=\d+&signature=/);
    await page.getByText('these links are signed, and stop working at').waitFor();
    await page.getByText('This key may look, not change').waitFor();
    for (const name of ['Pin', 'Labels', 'Delete', 'Edit']) {
      expect(await button(page, name).isDisabled()).toBe(true);
    }
  });
});
