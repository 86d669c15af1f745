import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { lexer } from 'marked';
import { describe, expect, it } from 'vitest';
import { type Page, PROJECT, readPages } from './pages.ts';

const pages = readPages();
const byName = new Map(pages.map((page) => [page.name, page]));

/** What is wrong with a link on a page, or null. Addresses of other hosts are not followed. */
function brokenLink(page: Page, link: string): string | null {
  if (/^[a-z]+:/.test(link)) return null;
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page.name : relative(PROJECT, join(PROJECT, dirname(page.name), path));
  if (!existsSync(join(PROJECT, target))) return `${page.name}: ${link}: there is no such file`;
  if (anchor === undefined) return null;
  const found = byName.get(target)?.headings.some((heading) => heading.anchor === anchor);
  return found ? null : `${page.name}: ${link}: there is no such heading`;
}

/** The lines outside of code blocks and tables that are too long. */
function longLines({ name, source }: Page): readonly string[] {
  let inCode = false;
  return source.split('\n').flatMap((line, index) => {
    if (line.startsWith('```')) inCode = !inCode;
    return inCode || line.startsWith('|') || line.length <= 140 ? [] : [`${name}:${index + 1}: ${line.length}`];
  });
}

describe('every page', () => {
  it('links only to files and headings that exist', () => {
    expect(pages.flatMap((page) => page.links.map((link) => brokenLink(page, link)).filter(Boolean))).toEqual([]);
  });

  it('has lines of at most 140 characters outside of code and tables', () => {
    expect(pages.flatMap(longLines)).toEqual([]);
  });
});

describe('every page in docs/', () => {
  it('begins with the list of its headings', () => {
    for (const page of pages.filter(({ name }) => name.startsWith('docs/'))) {
      const list = lexer(page.source).find(({ type }) => type === 'list');
      const listed = [...(list?.raw ?? '').matchAll(/\[([^\]]*)\]\(#([^)]*)\)/g)].map(([, text, anchor]) => [
        text,
        anchor,
      ]);
      const sections = page.headings.filter(({ depth }) => depth === 2).map(({ text, anchor }) => [text, anchor]);
      expect(listed, page.name).toEqual(sections);
    }
  });

  it('is linked from the README', () => {
    const linked = new Set(byName.get('README.md')?.links);
    expect([...byName.keys()].filter((name) => name.startsWith('docs/') && !linked.has(name))).toEqual([]);
  });
});

it('the README has at most 150 lines', () => {
  expect(readFileSync(`${PROJECT}README.md`, 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(150);
});
