import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { type HashedFile, hashedFile } from './hashed-file.ts';
import { type ReadModule, readModule } from './specifiers.ts';

/** The package that an import without a path names, such as `preact` of `preact/hooks`. */
const PACKAGE = /^(?:@[\w.-]+\/)?\w[\w.-]*(?=\/|$)/;

/** The comment that names a source map, which is not served. */
const SOURCE_MAP = /\n\/\/# sourceMappingURL=\S+\s*$/;

/** A line of a comment such as this page's own: its package was not published small. */
const COMMENT_LINE = /\n\s*\*\s/;

/** A module as browsers get it. */
export interface PageModule {
  readonly file: HashedFile;
  /** The modules that it needs before it runs, nearest first. */
  readonly needs: readonly PageModule[];
}

/** Gives modules by their URL, each read once. */
export interface PageModules {
  /** Reads a module and all that it imports. Raises an error that names the file, where one cannot be read or served. */
  read(url: URL): PageModule;
  /** All modules that were read, each after those that it imports. */
  all(): readonly PageModule[];
}

export interface PageModulesOptions {
  /** The folder of the page's own files, with a slash at its end. */
  readonly folder: URL;
  /** The URL of the file that a package's name leads to, as `import.meta.resolve` gives it. */
  readonly resolve: (name: string) => string;
}

/**
 * Reads the modules of the page: types are stripped, and every import names the file under the hash of its content. The hashes are made
 * from the bottom up, so that a module's own covers all that it imports; therefore modules must not import each other in a circle.
 */
export function createPageModules({ folder, resolve }: PageModulesOptions): PageModules {
  const done = new Map<string, PageModule>();
  const open: string[] = [];
  /** The packages' folders by their URL, with their names. */
  const packages = new Map<string, string>();

  /** The folder that a file's relative imports must stay in, and the file's name in errors. */
  function homeOf({ href }: URL): { readonly home: string; readonly shown: string } {
    const home = [...packages.keys()].find((root) => href.startsWith(root)) ?? folder.href;
    const path = decodeURIComponent(href.slice(home.length));
    return { home, shown: home === folder.href ? path : `${packages.get(home)}/${path}` };
  }

  function targetOf(importer: URL, specifier: string): URL {
    const { home, shown } = homeOf(importer);
    if (/^\.{1,2}\//.test(specifier)) {
      const target = new URL(specifier, importer);
      if (target.href.startsWith(home)) return target;
      throw new Error(`${shown} imports '${specifier}', which is not of the page; only \`import type\` may name it`);
    }
    const name = PACKAGE.exec(specifier)?.[0];
    const target = name === undefined ? null : URL.parse(resolve(specifier));
    const end = target?.href.lastIndexOf(`/node_modules/${name}/`) ?? -1;
    if (target === null || end === -1) {
      throw new Error(`${shown} imports '${specifier}', which is no file that browsers could get`);
    }
    packages.set(`${target.href.slice(0, end)}/node_modules/${name}/`, `${name}`);
    return target;
  }

  function load(url: URL, importer: URL | null): PageModule {
    const known = done.get(url.href);
    if (known !== undefined) return known;
    if (open.includes(url.href)) {
      const circle = [...open.slice(open.indexOf(url.href)), url.href].map((href) => homeOf(new URL(href)).shown);
      throw new Error(`the page's modules import each other in a circle: ${circle.join(', ')}`);
    }
    open.push(url.href);
    const module = parse(url, importer);
    const targets = new Map(module.imports.map(({ specifier }) => [specifier, targetOf(url, specifier)]));
    const imported = new Map([...targets].map(([specifier, target]) => [specifier, load(target, url)]));
    const source = module.write((specifier) => `./${imported.get(specifier)?.file.name}`);
    open.pop();
    const early = module.imports.filter(({ isDynamic }) => !isDynamic).map(({ specifier }) => imported.get(specifier));
    const made = {
      file: hashedFile(nameOf(homeOf(url).shown), 'js', source),
      needs: early.filter((need) => need !== undefined),
    };
    done.set(url.href, made);
    return made;
  }

  function parse(url: URL, importer: URL | null): ReadModule {
    const by = importer === null ? 'index.html' : homeOf(importer).shown;
    try {
      const source = readFileSync(url, 'utf8');
      const isSmall = !url.href.startsWith(folder.href) && !COMMENT_LINE.test(source);
      return readModule(isSmall ? source.replace(SOURCE_MAP, '') : toPlainScript(source));
    } catch (error) {
      throw new Error(`${homeOf(url).shown}, which ${by} imports, cannot be served: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  return { read: (url) => load(url, null), all: () => [...done.values()] };
}

/** Such as `gallery-list` for `gallery/list.ts`, and `preact-hooks-dist-hooks` for a file of a package. */
function nameOf(path: string): string {
  return path.replace(/\.[a-z]+$/, '').replaceAll(/[^a-z\d.]+/gi, '-');
}

/**
 * JavaScript without types and comments, by Node's own compiler. It is marked as experimental, and warns of that at its first use: the
 * operator, who sees the warning in the log, can do nothing about it. The call is synchronous, so no other warning is lost.
 */
function toPlainScript(source: string): string {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return stripTypeScriptTypes(source, { mode: 'transform' });
  } finally {
    process.emitWarning = emitWarning;
  }
}
