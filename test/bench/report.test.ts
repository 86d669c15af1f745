import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { outdatedDocs, writeDocs } from '../../bench/report/docs.ts';
import { formatAim, formatFigure } from '../../bench/report/format.ts';
import { lineChart } from '../../bench/report/line-chart.ts';
import { withResults } from '../../bench/report/page.ts';
import type { Chart, Results } from '../../bench/support/results.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const CHART: Chart = {
  name: 'speed-rate',
  title: 'Rate <by> cores',
  x: { label: 'cores', scale: 'linear' },
  y: { label: 'pictures & more', scale: 'log' },
  series: [
    {
      name: 'Easel',
      points: [
        [2, 20],
        [1, 10],
        [4, 0],
      ],
    },
    { name: 'bare', points: [[1, 10]] },
  ],
};

const RESULTS: Results = {
  bench: 'speed',
  date: '2026-11-27T10:11:12.000Z',
  versions: { easel: '0.1.0', commit: 'abc', node: 'v24.21.0', sharp: '0.35.5', libvips: '8', sqlite: '3.53.4' },
  machine: { cores: 2, cpu: 'A processor', memoryGB: 8, os: 'Linux 6.1' },
  load: { before: 0.1, after: 2 },
  figures: [{ what: 'rate', value: 0.54, unit: '', aim: { atLeast: 0.75 } }],
  tables: [
    {
      title: 'By cores',
      columns: ['cores', 'rate'],
      rows: [
        ['one | two', 1234.5],
        [3, null],
      ],
    },
  ],
  charts: [CHART],
};

const PAGE = '# Speed\n\n<!-- results of speed -->\n<!-- end of results -->\n\nThe rest.\n';

describe('the page of the benchmarks', () => {
  it('gets figures, tables and charts from the results, and says when and where they were measured', () => {
    const page = withResults(PAGE, [RESULTS]);
    expect(page).toContain(
      'Measured on 2026-11-27: 2 × A processor, 8 GB, Linux 6.1;\nEasel 0.1.0 (abc), Node 24.21.0',
    );
    expect(page).toContain('| rate | 0.54 | at least 0.75: missed |');
    expect(page).toContain('By cores:\n\n| cores | rate |\n|---|---|\n| one \\| two | 1,235 |\n| 3 | – |');
    expect(page).toContain('![Rate <by> cores](charts/speed-rate.svg)');
    expect(page).toMatch(/^# Speed\n[\s\S]*\nThe rest\.\n$/);
    expect(withResults(page, [RESULTS])).toBe(page);
  });

  it('says of a bench without results that it was not measured', () => {
    expect(withResults(withResults(PAGE, [RESULTS]), [])).toContain('*Not measured yet.*');
  });

  it('has a place for all results, or cannot be made', () => {
    expect(() => withResults('# Speed\n', [RESULTS])).toThrow('<!-- results of speed -->');
  });
});

describe('the check of the page', () => {
  it('finds a figure, a chart or a results file that was changed alone, and a chart that is left over', async () => {
    await using folder = await temporaryFolder();
    const project = folder.path;
    const file = (name: string) => join(project, name);
    for (const name of ['bench/results', 'docs']) await mkdir(file(name), { recursive: true });
    await writeFile(file('docs/benchmarks.md'), PAGE);
    await writeFile(file('bench/results/speed.json'), JSON.stringify(RESULTS));
    expect(await outdatedDocs({ project })).toEqual(['docs/benchmarks.md', 'docs/charts/speed-rate.svg']);
    await writeDocs({ project });
    expect(await outdatedDocs({ project })).toEqual([]);

    const page = await readFile(file('docs/benchmarks.md'), 'utf8');
    await writeFile(file('docs/benchmarks.md'), page.replace('0.54', '0.84'));
    expect(await outdatedDocs({ project })).toEqual(['docs/benchmarks.md']);
    await writeDocs({ project });

    await cp(file('docs/charts/speed-rate.svg'), file('docs/charts/old.svg'));
    await writeFile(file('docs/charts/speed-rate.svg'), '<svg/>');
    expect(await outdatedDocs({ project })).toEqual(['docs/charts/speed-rate.svg', 'docs/charts/old.svg']);
    await writeDocs({ project });

    const later: Results = { ...RESULTS, figures: [{ what: 'rate', value: 0.8, unit: '' }] };
    await writeFile(file('bench/results/speed.json'), JSON.stringify(later));
    expect(await outdatedDocs({ project })).toEqual(['docs/benchmarks.md']);
    await writeDocs({ project });
    expect(await outdatedDocs({ project })).toEqual([]);
  });
});

describe('a line chart', () => {
  it('is a picture of its own: axes, lines and names, without what its axis cannot show', async () => {
    const svg = lineChart(CHART);
    expect(await sharp(Buffer.from(svg)).metadata()).toMatchObject({ format: 'svg', width: 820, height: 400 });
    for (const text of ['Rate &lt;by&gt; cores', '>cores<', '>pictures &amp; more<', '>Easel<', '>bare<', '>20<'])
      expect(svg).toContain(text);
    expect(svg.match(/<circle/g)).toHaveLength(3);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('draws the points of a line from left to right, higher values above', () => {
    const [first = [], second = []] = [...lineChart(CHART).matchAll(/points="([^"]*)"/g)].map(([, points = '']) =>
      points.split(' ').map((point) => point.split(',').map(Number)),
    );
    expect(first).toHaveLength(2);
    expect(second).toHaveLength(1);
    const [[x1 = 0, y1 = 0] = [], [x2 = 0, y2 = 0] = []] = first;
    expect(x2).toBeGreaterThan(x1);
    expect(y2).toBeLessThan(y1);
  });

  it.each<Chart['y']['scale']>(['linear', 'log'])('without any point is empty, on a %s axis too', (scale) => {
    const svg = lineChart({ ...CHART, y: { label: 'y', scale }, series: [{ name: 'none', points: [] }] });
    expect(svg).not.toMatch(/NaN|Infinity|<circle/);
  });
});

describe('a figure', () => {
  it.each([
    [0, '0'],
    [0.034567, '0.035'],
    [0.54, '0.54'],
    [7.6789, '7.68'],
    [84.64, '84.6'],
    [531.2, '531'],
    [123_456.7, '123,457'],
    [1_000_000, '1,000,000'],
    [Number.NaN, '–'],
  ])('%d is written as %s', (value, text) => {
    expect(formatFigure(value)).toBe(text);
  });

  it('says whether it is as it should be', () => {
    expect(formatAim(7.9, 'ms', { atMost: 8 })).toBe('at most 8 ms: met');
    expect(formatAim(8.1, 'ms', { atMost: 8 })).toBe('at most 8 ms: missed');
    expect(formatAim(Number.NaN, 'ms', { atMost: 8 })).toBe('at most 8 ms: missed');
    expect(formatAim(0.5, '', { atLeast: 0.5 })).toBe('at least 0.5: met');
  });
});
