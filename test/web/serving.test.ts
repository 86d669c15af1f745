import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { axe } from '../support/page/axe.ts';
import { chromiumNote, hasChromium } from '../support/page/chromium.ts';
import { pageOpener } from '../support/page/open-page.ts';
import { type PageService, startPageService } from '../support/page/page-service.ts';

const pages = pageOpener();
const KB = 1000;

describe.skipIf(!hasChromium)(`the page in Chromium${chromiumNote}`, () => {
  let service: PageService;
  beforeAll(async () => {
    service = await startPageService();
  });
  afterAll(() => service[Symbol.asyncDispose]());

  it('loads with no error and no request to another host, and axe finds nothing serious', async () => {
    await using view = await pages.open(service);
    await view.page.getByRole('heading', { level: 1 }).waitFor();
    expect(await axe(view.page)).toEqual([]);
  });

  it('takes less than 100 KB for document, scripts and styles, with their headers, and almost nothing again', async () => {
    await using view = await pages.open(service, { path: '/health/live' });
    const session = await view.context.newCDPSession(view.page);
    const kinds = new Map<string, string>();
    let bytes = 0;
    session.on('Network.responseReceived', ({ requestId, type }) => void kinds.set(requestId, type));
    session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
      if (['Document', 'Script', 'Stylesheet'].includes(kinds.get(requestId) ?? '')) bytes += encodedDataLength;
    });
    await session.send('Network.enable');
    // The view's own modules come after the document's.
    const gallery = view.page.getByRole('heading', { level: 1, name: 'Gallery' });
    await view.page.goto(service.url);
    await gallery.waitFor();
    expect(kinds.size).toBeGreaterThan(3);
    expect(bytes).toBeGreaterThan(5 * KB);
    expect(bytes).toBeLessThan(100 * KB);

    bytes = 0;
    await view.page.reload();
    await gallery.waitFor();
    expect(bytes).toBeLessThan(2 * KB);
  });
});
