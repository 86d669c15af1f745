import axeCore, { type AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';

/** A rule of accessibility that the page breaks, and where. */
export interface AxeFinding {
  readonly rule: string;
  readonly impact: string;
  readonly help: string;
  /** Selectors of the elements, and what is wrong with each. */
  readonly elements: readonly string[];
}

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/**
 * What axe-core finds serious or critical on the page as it is now: rules of WCAG 2.2 A and AA and good practice. It is put into the page
 * by the debugger, which the page's policy does not bind.
 */
export async function axe(page: Page): Promise<readonly AxeFinding[]> {
  await page.evaluate(`${axeCore.source}; undefined`);
  const { violations } = (await page.evaluate(
    `axe.run(document, { preload: false, runOnly: ${JSON.stringify(TAGS)} })`,
  )) as AxeResults;
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, impact, help, nodes }) => ({
      rule: id,
      impact: String(impact),
      help,
      elements: nodes.map(({ target, failureSummary }) => `${target.join(' ')}: ${failureSummary}`),
    }));
}
