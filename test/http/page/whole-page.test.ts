import { stripTypeScriptTypes } from 'node:module';
import { expect, it } from 'vitest';
import { encodePage } from '../../../src/http/page/encoded-page.ts';
import { readPage } from '../../../src/http/page/page-document.ts';

const KB = 1000;
/** What one answer takes beside its body, at most, as measured. */
const HEADER_BYTES = 550;
const folder = new URL('../../../src/web/', import.meta.url);
const read = () => readPage({ folder, ending: '.ts', resolve: (name) => import.meta.resolve(name) });

it('the whole page can be served: every import leads to a file, and every file is a program', () => {
  const { document, files } = read();
  for (const { name, type, text } of files) {
    if (!type.startsWith('text/javascript')) continue;
    expect(() => stripTypeScriptTypes(text), name).not.toThrow();
  }
  const names = [...document.matchAll(/"page\/([^"]+)"/g)].map(([, name]) => name);
  expect(names.filter((name) => !files.some((file) => file.name === name))).toEqual([]);
  expect(document).not.toMatch(/<style|\sstyle="|\son\w+="/);
});

it('the first view takes less than 100 KB, as a browser gets it that takes gzip alone, with headers', () => {
  const { document, files } = encodePage(read());
  // Modules that are imported late are no part of it.
  const html = Buffer.from(document.bytes.identity).toString();
  const first = [...files].filter(([name]) => html.includes(`"page/${name}"`)).map(([, file]) => file);
  const bytes = [document, ...first].map((file) => file.bytes.gzip.byteLength + HEADER_BYTES);
  expect(bytes.length).toBeGreaterThan(3);
  expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThan(100 * KB);
});
