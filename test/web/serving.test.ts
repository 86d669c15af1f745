import { describe, expect, it } from 'vitest';
import { axe } from '../support/page/axe.ts';
import { chromiumNote, hasChromium } from '../support/page/chromium.ts';
import { pageOpener } from '../support/page/open-page.ts';
import { startPageService } from '../support/page/page-service.ts';

const pages = pageOpener();

describe.skipIf(!hasChromium)(`the page in Chromium${chromiumNote}`, () => {
  it('loads with no error and no request to another host, and axe finds nothing serious', async () => {
    await using service = await startPageService();
    await using view = await pages.open(service);
    await view.page.getByRole('heading', { level: 1 }).waitFor();
    expect(await axe(view.page)).toEqual([]);
  });
});
