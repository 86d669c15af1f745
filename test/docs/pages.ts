/** The documentation as data: headings, links, tables and code blocks of each page. */

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import GithubSlugger from 'github-slugger';
import { lexer, type Token, type Tokens, walkTokens } from 'marked';

export const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

export interface Page {
  /** Path from the project's folder, such as `docs/api.md`. */
  readonly name: string;
  readonly source: string;
  readonly headings: readonly Heading[];
  /** Targets of links and pictures, as they stand there. */
  readonly links: readonly string[];
  readonly blocks: readonly Block[];
  readonly tokens: readonly Token[];
}

interface Heading {
  readonly depth: number;
  readonly text: string;
  /** What a link to it ends with, as GitHub makes it. */
  readonly anchor: string;
}

export interface Block {
  readonly language: string;
  /** The words after the language, such as `start` or `file=presets.json`. */
  readonly tags: readonly string[];
  readonly text: string;
  /** `docs/api.md:12`, for messages. */
  readonly place: string;
}

/** The README, the changelog, every page in `docs/` and the README of every example. */
export function readPages(): readonly Page[] {
  const docs = readdirSync(`${PROJECT}docs`).filter((name) => name.endsWith('.md'));
  const examples = readdirSync(`${PROJECT}examples`).map((name) => `examples/${name}/README.md`);
  return ['README.md', 'CHANGELOG.md', ...docs.map((name) => `docs/${name}`), ...examples].map(readPage);
}

/** One page by its path from the project's folder. Throws when there is none. */
export function readPage(name: string): Page {
  const source = readFileSync(`${PROJECT}${name}`, 'utf8');
  const tokens = lexer(source);
  const slugger = new GithubSlugger();
  const headings: Heading[] = [];
  const links: string[] = [];
  void walkTokens(tokens, (token) => {
    if (token.type === 'heading') {
      const text = plainText(token.text);
      headings.push({ depth: token.depth, text, anchor: slugger.slug(text) });
    }
    if (token.type === 'link' || token.type === 'image') links.push(token.href);
  });
  return { name, source, headings, links, blocks: blocksOf(name, tokens), tokens };
}

/** The value of a tag such as `file=presets.json`, or null. */
export function tagValue({ tags }: Block, name: string): string | null {
  return tags.find((tag) => tag.startsWith(`${name}=`))?.slice(name.length + 1) ?? null;
}

/** The first table after the heading with this text, its cells as Markdown. Throws when there is none. */
export function tableUnder(page: Page, heading: string): { header: readonly string[]; rows: readonly string[][] } {
  const start = page.tokens.findIndex((token) => token.type === 'heading' && plainText(token.text) === heading);
  const table = page.tokens.slice(start).find((token) => token.type === 'table') as Tokens.Table | undefined;
  if (start < 0 || table === undefined) throw new Error(`${page.name} has no table under the heading ${heading}`);
  return {
    header: table.header.map(({ text }) => text),
    rows: table.rows.map((row) => row.map(({ text }) => text)),
  };
}

/** What stands in backquotes, in order. */
export function codeSpans(markdown: string): readonly string[] {
  return [...markdown.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
}

function blocksOf(name: string, tokens: readonly Token[]): readonly Block[] {
  const blocks: Block[] = [];
  let line = 1;
  for (const token of tokens) {
    if (token.type === 'code') {
      const [language = '', ...tags] = (token.lang ?? '').split(' ');
      blocks.push({ language, tags, text: token.text, place: `${name}:${line}` });
    }
    line += token.raw.split('\n').length - 1;
  }
  return blocks;
}

function plainText(markdown: string): string {
  return markdown.replaceAll(/[`*]/g, '').replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1');
}
