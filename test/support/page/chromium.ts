/**
 * Chromium for the tests of the page: Debian's own, without a window, one process for a test file. The headless shell is the same engine
 * without the browser around it, and takes a third of the processor time; the whole browser serves where it alone is installed.
 */

import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import { afterAll } from 'vitest';

const SHELL = '/usr/bin/chromium-headless-shell';
const BROWSER = '/usr/bin/chromium';
const PATH = process.env.CHROMIUM_PATH ?? [SHELL, BROWSER].find(existsSync) ?? SHELL;

/** False where there is no Chromium; tests of the page are then skipped: `describe.skipIf(!hasChromium)`. */
export const hasChromium = existsSync(PATH);

/** For the end of the name of what is skipped: says why. */
export const chromiumNote = hasChromium
  ? ''
  : ` (skipped: ${PATH} is missing; install Debian's package chromium-headless-shell, or set CHROMIUM_PATH)`;

const ARGUMENTS = [
  // Chromium refuses to run as root in its sandbox, and containers run tests as root. It opens pages of the tests alone.
  '--no-sandbox',
  // A container's /dev/shm has 64 MB, which pages with many pictures exceed.
  '--disable-dev-shm-usage',
  // Whatever a page asks for, no other machine is asked.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
  '--disable-background-networking',
  '--font-render-hinting=none',
];

/** The browser of the test file that calls this while it is loaded; started at the first use, and closed after the last test. */
export function testBrowser(): () => Promise<Browser> {
  let starting: Promise<Browser> | undefined;
  afterAll(async () => {
    await (await starting)?.close();
  });
  return () => {
    starting ??= chromium.launch({ executablePath: PATH, headless: true, args: ARGUMENTS });
    return starting;
  };
}
