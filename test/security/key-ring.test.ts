import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { parseKeyFile, parseKeys } from '../../src/security/api-keys.ts';
import { createKeyRing } from '../../src/security/key-ring.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

async function openRing(text: string, fixed = '') {
  const folder = await temporaryFolder();
  const file = join(folder.path, 'keys');
  await writeFile(file, text);
  const log: string[] = [];
  const learned: string[] = [];
  const ring = createKeyRing({
    fixed: fixed === '' ? [] : parseKeys(fixed).keys,
    file,
    fromFile: parseKeyFile(text).keys,
    learnSecrets: (secrets) => void learned.push(...secrets),
    log: pino({}, { write: (line: string) => void log.push(line) }),
  });
  return {
    ring,
    file,
    log,
    learned,
    knows: (...secrets: string[]) => secrets.map((secret) => ring.find(secret) !== null),
    async [Symbol.asyncDispose]() {
      ring.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

describe('the key file', () => {
  test('is read again by reload: new secrets are valid, removed ones are not', async () => {
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
    ['is broken', 'a:hunter2', /"issues":\["line 1: must be/],
    ['is empty', '', /"issues":\[\],"msg":"the API key file is invalid or empty/],
    ['conflicts with API_KEYS', 'b:always:read', /"issues":\["[^"]*in use twice/],
  ])('that %s changes nothing and is logged', async (_what, text, logged) => {
    await using keys = await openRing('a:old:read', text === '' ? '' : 'fixed:always:admin');
    await writeFile(keys.file, text);
    keys.ring.reload();
    expect(keys.knows('old')).toEqual([true]);
    expect(keys.log.join('')).toMatch(logged);
    expect(keys.log.join('')).not.toContain('hunter2');
  });

  test('that is missing changes nothing and is logged', async () => {
    await using keys = await openRing('a:old:read');
    await rm(keys.file);
    keys.ring.reload();
    expect(keys.knows('old')).toEqual([true]);
    expect(keys.log.join('')).toContain('ENOENT');
  });

  test('is reloaded by itself when it is replaced', async () => {
    await using keys = await openRing('a:old:read');
    // As editors and orchestrators do: a new file is renamed over the old one.
    await writeFile(`${keys.file}.new`, 'a:new:read');
    await rename(`${keys.file}.new`, keys.file);
    await until(() => keys.knows('old', 'new').join() === 'false,true');
  });
});

test('the secrets of a file that has changed are learned, so that they are masked', async () => {
  await using open = await openRing('blog:old-secret:read');
  await writeFile(open.file, 'blog:new-secret:read');
  open.ring.reload();
  expect(open.learned).toEqual(['new-secret']);
});
