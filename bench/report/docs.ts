/**
 * `npm run bench -- docs` makes the tables and charts of docs/benchmarks.md from bench/results. With `--check` it compares them
 * instead, and fails where they differ.
 */

import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Results } from '../support/results.ts';
import { lineChart } from './line-chart.ts';
import { withResults } from './page.ts';

interface Places {
  /** The project's folder, with `bench/results` and `docs`. */
  readonly project: string;
}

/** Writes the page and the charts. Charts that no results have any more are removed. */
export async function writeDocs({ project }: Places): Promise<void> {
  const { files, stale } = await generated(project);
  await mkdir(join(project, CHARTS), { recursive: true });
  for (const [name, text] of files) await writeFile(join(project, name), text);
  for (const name of stale) await rm(join(project, name));
}

/** The names of the files that are not as `writeDocs` would write them, from the project's folder. */
export async function outdatedDocs({ project }: Places): Promise<readonly string[]> {
  const { files, stale } = await generated(project);
  const outdated: string[] = [];
  for (const [name, text] of files) {
    if ((await readFile(join(project, name), 'utf8').catch(() => null)) !== text) outdated.push(name);
  }
  return [...outdated, ...stale];
}

const PAGE = 'docs/benchmarks.md';
const CHARTS = 'docs/charts';
const RESULTS = 'bench/results';

/** Every generated file with its text, and the charts that are left over. */
async function generated(project: string) {
  const results = await readResults(join(project, RESULTS));
  const page = withResults(await readFile(join(project, PAGE), 'utf8'), results);
  const charts = results.flatMap((one) => one.charts);
  const files = new Map([
    [PAGE, page],
    ...charts.map((chart) => [`${CHARTS}/${chart.name}.svg`, lineChart(chart)] as const),
  ]);
  const present = await readdir(join(project, CHARTS)).catch(() => []);
  return { files, stale: present.map((name) => `${CHARTS}/${name}`).filter((name) => !files.has(name)) };
}

async function readResults(folder: string): Promise<readonly Results[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();
  return await Promise.all(
    names.map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8')) as Results),
  );
}
