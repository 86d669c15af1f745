import type { Figure, Results, Table } from '../support/results.ts';
import { formatAim, formatFigure, withUnit } from './format.ts';

/** Where a page of charts lies, from docs/. */
const CHARTS = 'charts';

/** The Markdown that a results file becomes: where and when it was measured, its figures, tables and charts. */
export function sectionOf(results: Results): string {
  const { figures, tables, charts } = results;
  return [
    `*${measuredOn(results)}*`,
    ...(figures.length === 0 ? [] : [figureTable(figures)]),
    ...tables.map(tableText),
    ...charts.map(({ name, title }) => `![${title}](${CHARTS}/${name}.svg)`),
  ].join('\n\n');
}

function measuredOn({ date, machine, versions, load }: Results): string {
  const { cores, cpu, memoryGB, os } = machine;
  return [
    `Measured on ${date.slice(0, 10)}: ${cores} × ${cpu}, ${memoryGB} GB, ${os}`,
    `Easel ${versions.easel}${versions.commit === null ? '' : ` (${versions.commit})`}, Node ${versions.node.slice(1)}, ` +
      `sharp ${versions.sharp}, SQLite ${versions.sqlite}`,
    `load ${formatFigure(load.before)} before, ${formatFigure(load.after)} at the end.`,
  ].join(';\n');
}

function figureTable(figures: readonly Figure[]): string {
  const rows = figures.map(({ what, value, unit, aim }) => [
    what,
    withUnit(value, unit),
    aim === undefined ? '' : formatAim(value, unit, aim),
  ]);
  return markdownTable(['what', 'figure', 'aim'], rows);
}

function tableText({ title, columns, rows }: Table): string {
  const cells = rows.map((row) =>
    row.map((cell) => (cell === null ? '–' : typeof cell === 'string' ? cell : formatFigure(cell))),
  );
  return `${title}:\n\n${markdownTable(columns, cells)}`;
}

function markdownTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(columns), `|${'---|'.repeat(columns.length)}`, ...rows.map(line)].join('\n');
}
