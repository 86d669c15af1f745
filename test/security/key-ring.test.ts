import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, test, vi } from 'vitest';
import { parseKeyFile, parseKeys } from '../../src/security/api-keys.ts';
import { createKeyRing } from '../../src/security/key-ring.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

async function openRing(text: string, fixed = '') {
  const folder = await temporaryFolder();
  const file = join(folder.path, 'keys');
  await writeFile(file, text);
  const log: string[] = [];
  const ring = createKeyRing({
    fixed: fixed === '' ? [] : parseKeys(fixed).keys,
    file,
    fromFile: parseKeyFile(text).keys,
    log: pino({}, { write: (line: string) => void log.push(line) }),
  });
  return {
    ring,
    file,
    log,
    knows: (...secrets: string[]) => secrets.map((secret) => ring.find(secret) !== null),
    async [Symbol.asyncDispose]() {
      ring.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

describe('the file of keys', () => {
  test('is read again on order: new secrets count, those that are gone do not', async () => {
    await using keys = await openRing('a:old:read', 'fixed:always:admin');
    expect(keys.knows('old', 'new', 'always')).toEqual([true, false, true]);
    await writeFile(keys.file, 'a:old:read\na:new:read');
    keys.ring.reload();
    expect(keys.knows('old', 'new', 'always')).toEqual([true, true, true]);
    await writeFile(keys.file, 'a:new:read');
    keys.ring.reload();
    expect(keys.knows('old', 'new', 'always')).toEqual([false, true, true]);
  });

  test.each([
    ['is broken', 'a:hunter2', /line 1: must be/],
    ['is empty', '', /is empty/],
    ['clashes with API_KEYS', 'b:always:read', /in use twice/],
  ])('that %s changes nothing, and is told of', async (_what, text, fault) => {
    await using keys = await openRing('a:old:read', text === '' ? '' : 'fixed:always:admin');
    await writeFile(keys.file, text);
    keys.ring.reload();
    expect(keys.knows('old')).toEqual([true]);
    expect(keys.log.join('')).toMatch(fault);
    expect(keys.log.join('')).not.toContain('hunter2');
  });

  test('that is gone changes nothing, and is told of', async () => {
    await using keys = await openRing('a:old:read');
    await rm(keys.file);
    keys.ring.reload();
    expect(keys.knows('old')).toEqual([true]);
    expect(keys.log.join('')).toContain('ENOENT');
  });

  test('counts by itself when it is replaced', async () => {
    await using keys = await openRing('a:old:read');
    // As editors and orchestrators do it: another file takes the name.
    await writeFile(`${keys.file}.new`, 'a:new:read');
    await rename(`${keys.file}.new`, keys.file);
    await vi.waitUntil(() => keys.knows('old', 'new').join() === 'false,true', { timeout: 10_000 });
  });
});
