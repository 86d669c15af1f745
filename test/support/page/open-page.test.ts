import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { axe } from './axe.ts';
import { chromiumNote, hasChromium } from './chromium.ts';
import { pageOpener } from './open-page.ts';

const pages = pageOpener();

/** A page with this body and the policy of the real one. */
async function servePage(body: string, script = '') {
  const server = createServer(({ url }, answer) => {
    answer.setHeader('content-security-policy', "default-src 'none'; script-src 'self'; img-src data:; connect-src *");
    if (url === '/script.js') return void answer.setHeader('content-type', 'text/javascript').end(script);
    if (url !== '/') return void answer.writeHead(404).end();
    answer.setHeader('content-type', 'text/html');
    const head = '<title>A page</title><link rel="icon" href="data:,"><script src="/script.js" defer></script>';
    answer.end(
      `<!doctype html><html lang="en"><head>${head}</head><body><main><h1>A page</h1>${body}</main></body></html>`,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: async () => void server.close() };
}

describe.skipIf(!hasChromium)(`a page that is watched${chromiumNote}`, () => {
  it.each([
    ['an uncaught error', '', "throw new Error('broken')", /^uncaught: Error: broken/m],
    ['a rejection', '', "Promise.reject(new Error('broken'))", /^uncaught: Error: broken/m],
    ['an error on the console', '', "console.error('broken')", /^on the console: broken/m],
    ['an answer that is an error', '', "fetch('/none')", /^on the console: .*404/m],
    ['an inline style', '<p style="color: red">A</p>', '', /^on the console: .*Content Security Policy/m],
    ['an inline script', '<script>1</script>', '', /^on the console: .*Content Security Policy/m],
    [
      'a call of another host',
      '',
      "fetch('https://a.example/').catch(String)",
      /^a request to another host: GET https:\/\/a\.example\//m,
    ],
  ])('notes %s', async (_name, body, script, pattern) => {
    await using service = await servePage(body, script);
    await using view = await pages.open(service);
    await expect.poll(() => view.problems.join('\n')).toMatch(pattern);
    view.expectProblem(/./);
  });

  it('notes nothing of a page that is right, and is as wide and dark as it is asked for', async () => {
    await using service = await servePage('<p>A</p>');
    await using view = await pages.open(service, { width: 390, height: 700, dark: true });
    expect(view.problems).toEqual([]);
    expect(
      await view.page.evaluate('[innerWidth, innerHeight, matchMedia("(prefers-color-scheme: dark)").matches]'),
    ).toEqual([390, 700, true]);
  });

  it('gets its key as a person gives it', async () => {
    const form = '<form><label>API key <input type="password" name="key"></label></form>';
    const script =
      "document.querySelector('form').onsubmit = (event) => { event.preventDefault(); document.title = event.target.key.value; }";
    await using service = await servePage(form, script);
    await using view = await pages.open(service, { key: 'secret' });
    expect(await view.page.title()).toBe('secret');
  });

  it('shares a profile with another tab only where that is asked for', async () => {
    await using service = await servePage('');
    await using view = await pages.open(service);
    await view.page.evaluate('localStorage.setItem("a", "b")');
    await using tab = await pages.open(service, { besides: view });
    await using other = await pages.open(service);
    expect(await tab.page.evaluate('localStorage.getItem("a")')).toBe('b');
    expect(await other.page.evaluate('localStorage.getItem("a")')).toBe(null);
  });

  it('is checked by axe, which its policy does not stop', async () => {
    await using service = await servePage('<p>A</p><button></button><img src="data:,">');
    await using view = await pages.open(service);
    expect((await axe(view.page)).map(({ rule }) => rule).sort()).toEqual(['button-name', 'image-alt']);
  });
});
