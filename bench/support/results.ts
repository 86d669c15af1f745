/**
 * What a bench has found, as the file `bench/results/NAME.json`. `npm run docs` makes the tables and charts of
 * docs/benchmarks.md from these files, so that no figure there is typed by hand.
 */

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseEnv, promisify } from 'node:util';
import sharp from 'sharp';

/** One figure, and what it should be. */
export interface Figure {
  readonly what: string;
  readonly value: number;
  /** Such as `ms`; empty for a ratio or a count. */
  readonly unit: string;
  readonly aim?: Aim;
}

export type Aim = { readonly atLeast: number } | { readonly atMost: number };

/** A table of figures; text stands as it is, null is a figure that this machine cannot give. */
export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number | null)[])[];
}

/** A line chart. */
export interface Chart {
  /** Name of its file, without `.svg`. */
  readonly name: string;
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}

export interface Axis {
  readonly label: string;
  readonly scale: 'linear' | 'log';
}

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** What a bench measures. */
export interface Findings {
  readonly figures?: readonly Figure[];
  readonly tables?: readonly Table[];
  readonly charts?: readonly Chart[];
}

/** A results file: the findings of one run, and where and when they were measured. */
export interface Results extends Required<Findings> {
  readonly bench: string;
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly versions: {
    readonly easel: string;
    /** The commit that was measured, with `+` where files differed from it; null outside a repository. */
    readonly commit: string | null;
    readonly node: string;
    readonly sharp: string;
    readonly libvips: string;
    readonly sqlite: string;
  };
  readonly machine: {
    readonly cores: number;
    readonly cpu: string;
    readonly memoryGB: number;
    readonly os: string;
  };
  /** Load averages of one minute before the run and at its end. */
  readonly load: { readonly before: number; readonly after: number };
}

export const RESULTS = join(import.meta.dirname, '../results');
const PROJECT = join(import.meta.dirname, '../..');
const LOAD_BEFORE = loadavg()[0] ?? 0;

/**
 * Writes `bench/results/NAME.json`, NAME being the bench that runs. A run with numbers of its own (`npm run bench -- NAME 10`) is a
 * trial and writes nothing.
 */
export async function saveResults({ figures = [], tables = [], charts = [] }: Findings): Promise<void> {
  const bench = basename(process.argv[2] ?? '');
  if (process.argv.length > 3) {
    console.log('\na trial: no results file is written');
    return;
  }
  const results: Results = {
    bench,
    date: new Date().toISOString(),
    versions: await versions(),
    machine: await machine(),
    load: { before: LOAD_BEFORE, after: loadavg()[0] ?? 0 },
    figures: figures.map((figure) => ({ ...figure, value: rounded(figure.value) })),
    tables: tables.map((table) => ({ ...table, rows: table.rows.map((row) => row.map(roundedCell)) })),
    charts: charts.map((chart) => ({ ...chart, series: chart.series.map(roundedSeries) })),
  };
  const file = join(RESULTS, `${bench}.json`);
  await writeFile(file, `${JSON.stringify(results, null, 2)}\n`);
  console.log(`\nwritten to bench/results/${bench}.json; \`npm run docs\` puts it into docs/benchmarks.md`);
}

/** Four significant digits: more than any of these figures has. */
function rounded(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(4));
}

function roundedCell(cell: string | number | null): string | number | null {
  return typeof cell === 'number' ? rounded(cell) : cell;
}

function roundedSeries({ name, points }: Series): Series {
  return { name, points: points.map(([x, y]) => [rounded(x), rounded(y)]) };
}

async function versions(): Promise<Results['versions']> {
  const { version } = JSON.parse(await readFile(join(PROJECT, 'package.json'), 'utf8')) as { version: string };
  const database = new DatabaseSync(':memory:');
  const row = database.prepare('SELECT sqlite_version() AS version').get();
  database.close();
  return {
    easel: version,
    commit: await commit(),
    node: process.version,
    sharp: sharp.versions.sharp ?? '',
    libvips: sharp.versions.vips ?? '',
    sqlite: String(row?.version),
  };
}

async function commit(): Promise<string | null> {
  const git = async (...args: readonly string[]) =>
    (await promisify(execFile)('git', args, { cwd: PROJECT })).stdout.trim();
  try {
    // Results and the pages made from them are no part of what is measured.
    const changed = await git('status', '--porcelain', '--', '.', ':!bench/results', ':!docs');
    return `${await git('rev-parse', '--short=9', 'HEAD')}${changed === '' ? '' : '+'}`;
  } catch {
    return null;
  }
}

/** The machine, without its name. A container's limit of memory counts as the memory there is. */
async function machine(): Promise<Results['machine']> {
  const distribution = parseEnv(await readFile('/etc/os-release', 'utf8').catch(() => ''));
  const [version] = release().split('-');
  const memory = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
  return {
    cores: cpus().length,
    cpu: (cpus()[0]?.model ?? 'unknown').replaceAll(/\s+/g, ' ').trim(),
    memoryGB: Math.round(memory / 1e9),
    os: [`${type()} ${version}`, distribution.PRETTY_NAME].filter(Boolean).join(', '),
  };
}
