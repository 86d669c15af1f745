import { readFileSync } from 'node:fs';
import { type HashedFile, hashedFile } from './hashed-file.ts';
import { createPageModules, type PageModule } from './page-modules.ts';

export interface ReadPageOptions {
  /** The folder of `index.html`, with a slash at its end. */
  readonly folder: URL;
  /** The ending of modules in the folder: `.ts`, or `.js` where they were compiled; `index.html` says `.ts` in both cases. */
  readonly ending: string;
  /** The URL of the file that a package's name leads to, as `import.meta.resolve` gives it. */
  readonly resolve: (name: string) => string;
}

/** The page, whole: the document, and the files that it leads to. */
export interface PageSource {
  readonly document: string;
  readonly files: readonly HashedFile[];
}

const TAG = /<(script|link)\b[^>]*>/g;
const REFERENCE = /(\s(?:src|href)=")([^"]*)(")/;
const COMMENT = /<!--.*?-->\s*/gs;

/**
 * Reads the page from its folder: `index.html`, the modules and style sheets that it refers to, and all that they import. The references
 * of the document then lead to `page/`, relative to where it is, so that it works below any path. The document asks for every module at
 * once (`modulepreload`), which a browser would otherwise learn of one import after another. Raises an error that names the file where
 * one is missing, cannot be read, or refers to what cannot be served.
 */
export function readPage({ folder, ending, resolve }: ReadPageOptions): PageSource {
  const modules = createPageModules({ folder, resolve });
  const styles = new Map<string, HashedFile>();
  const scripts: PageModule[] = [];

  function served(tag: string, reference: string): string {
    if (reference.startsWith('data:')) return reference;
    const url = new URL(reference, folder);
    if (!url.href.startsWith(folder.href))
      throw new Error(`index.html refers to ${reference}, which is not of the page`);
    if (tag === 'script') {
      const module = modules.read(new URL(url.href.replace(/\.ts$/, ending)));
      scripts.push(module);
      return `page/${module.file.name}`;
    }
    if (!url.pathname.endsWith('.css')) throw new Error(`index.html links ${reference}, which is no style sheet`);
    const style = styles.get(url.href) ?? readStyle(folder, url);
    styles.set(url.href, style);
    return `page/${style.name}`;
  }

  const html = readFileSync(new URL('index.html', folder), 'utf8').replace(COMMENT, '');
  const linked = html.replace(TAG, (whole, tag: string) =>
    whole.replace(
      REFERENCE,
      (_, before: string, reference: string, after: string) => before + served(tag, reference) + after,
    ),
  );
  const preloads = [...neededBy(scripts)].map(({ file }) => `<link rel="modulepreload" href="page/${file.name}">\n`);
  if (!linked.includes('</head>')) throw new Error('index.html has no </head>');
  return {
    document: linked.replace('</head>', () => `${preloads.join('')}</head>`),
    files: [...modules.all().map(({ file }) => file), ...styles.values()],
  };
}

/** The modules and all that they need, level by level: those that are run last come first, as they lead to the others. */
function neededBy(modules: readonly PageModule[]): ReadonlySet<PageModule> {
  const needed = new Set(modules);
  // A set may grow while it is walked: what is added is walked, too.
  for (const module of needed) for (const need of module.needs) needed.add(need);
  return needed;
}

const CSS_COMMENT = /("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|url\([^)]*\))|\/\*.*?\*\//gs;
const CSS_REFERENCE = /@import\b[^;]*|url\(\s*["']?(?!data:|#)[^)]*\)/;

/** Reads a style sheet, without its comments. It must not refer to other files: `index.html` links each, so that all load at once. */
function readStyle(folder: URL, url: URL): HashedFile {
  const path = decodeURIComponent(url.href.slice(folder.href.length));
  const text = readFileSync(url, 'utf8').replace(CSS_COMMENT, (_, kept?: string) => kept ?? '');
  const reference = CSS_REFERENCE.exec(text)?.[0];
  if (reference !== undefined) {
    throw new Error(`${path} has ${reference}: link style sheets in index.html, and write pictures as data: URLs`);
  }
  return hashedFile(path.replace(/\.css$/, '').replaceAll('/', '-'), 'css', text.replace(/\s*\n\s*/g, '\n'));
}
