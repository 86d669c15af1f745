import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { temporaryFolder } from '../temporary-folder.ts';

/** Files of a page by their paths, such as `gallery/list.ts`. */
export type PageFiles = Readonly<Record<string, string>>;

/** A page in small: two modules, a package and a style sheet. */
export const SMALL_PAGE: PageFiles = {
  'index.html':
    '<!doctype html>\n<html lang="en">\n<head>\n<title>A page</title>\n<link rel="icon" href="data:,">\n' +
    '<link rel="stylesheet" href="style/base.css">\n<script type="module" src="main.ts"></script>\n</head>\n' +
    '<body><main><h1>A page</h1></main></body>\n</html>\n',
  'main.ts': "import { greet } from './parts/greet.ts';\n\ngreet('hello');\n",
  'parts/greet.ts':
    "import { h, render } from 'preact';\n\nexport function greet(text: string): void {\n" +
    "  render(h('h1', null, text), document.querySelector('main') as Element);\n}\n",
  'style/base.css': 'h1 {\n  color: #123;\n}\n',
};

export interface PageFolder extends AsyncDisposable {
  /** With a slash at its end. */
  readonly url: URL;
  write(files: PageFiles): Promise<void>;
}

/** A folder with these files, which is removed at the end of the `await using` block. */
export async function pageFolder(files: PageFiles = SMALL_PAGE): Promise<PageFolder> {
  const folder = await temporaryFolder();
  const write = async (more: PageFiles) => {
    for (const [path, text] of Object.entries(more)) {
      await mkdir(dirname(join(folder.path, path)), { recursive: true });
      await writeFile(join(folder.path, path), text);
    }
  };
  await write(files);
  const url = pathToFileURL(`${folder.path}/`);
  return { url, write, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}
