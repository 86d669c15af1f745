import type { Results } from '../support/results.ts';
import { sectionOf } from './section.ts';

/** Where the figures of a bench stand in the page. What is between the two comments is generated. */
const PLACE = /<!-- results of ([a-z]+) -->\n[\s\S]*?<!-- end of results -->/g;
const NOT_MEASURED = '*Not measured yet.*';

/**
 * The page with the figures of these results in their places; a place without results says that there are none. Throws where results
 * have no place in the page.
 */
export function withResults(page: string, results: readonly Results[]): string {
  const byBench = new Map(results.map((one) => [one.bench, one]));
  const places = [...page.matchAll(PLACE)].map(([, bench = '']) => bench);
  const homeless = [...byBench.keys()].filter((bench) => !places.includes(bench));
  if (homeless.length > 0) {
    throw new Error(`the page has no \`<!-- results of ${homeless[0]} -->\` … \`<!-- end of results -->\``);
  }
  return page.replaceAll(PLACE, (_, bench: string) => {
    const found = byBench.get(bench);
    const text = found === undefined ? NOT_MEASURED : sectionOf(found);
    return `<!-- results of ${bench} -->\n\n${text}\n\n<!-- end of results -->`;
  });
}
