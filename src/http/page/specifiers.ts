// The build without WebAssembly needs no wait before its first use.
import { parse } from 'es-module-lexer/js';

/** An import of a module, static or dynamic, or an `export … from`. */
export interface Import {
  /** What is imported, such as `./gallery/gallery.ts` or `preact`. */
  readonly specifier: string;
  /** True for a dynamic one, whose module is loaded when the expression is reached. */
  readonly isDynamic: boolean;
}

/** A module whose imports are known and can be replaced. */
export interface ReadModule {
  readonly imports: readonly Import[];
  /** The source with other specifiers, which must hold no quotes. */
  write(specifierFor: (specifier: string) => string): string;
}

/** Finds the imports of a module in JavaScript. Raises an error where one does not name its module as a quoted text. */
export function readModule(source: string): ReadModule {
  const found = parse(source)[0].filter((one) => one.type !== 'import-meta');
  const places = found.map(({ type, start, end, importStart, specifier }) => {
    const isDynamic = type === 'dynamic';
    // Of a dynamic import the place is that of the whole argument, quotes included.
    const isQuoted = !isDynamic || /^(["']).*\1$/.test(source.slice(start, end));
    if (specifier === undefined || !isQuoted) {
      const line = source.slice(0, importStart).split('\n').length;
      throw new Error(`the import in line ${line} does not name its module as a quoted text`);
    }
    return { specifier, isDynamic, start: isDynamic ? start + 1 : start, end: isDynamic ? end - 1 : end };
  });
  return {
    imports: places.map(({ specifier, isDynamic }) => ({ specifier, isDynamic })),
    write(specifierFor) {
      const parts = places.map(
        ({ specifier, start }, index) => source.slice(places[index - 1]?.end ?? 0, start) + specifierFor(specifier),
      );
      return parts.join('') + source.slice(places.at(-1)?.end ?? 0);
    },
  };
}
