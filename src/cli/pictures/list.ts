import { type Command, Option } from 'commander';
import { z } from 'zod';
import { nonBlankText } from '../../api/fields.ts';
import type { ImagePage, ImageRecord } from '../../client/shapes.ts';
import { IMAGE_STATUSES } from '../../core/domain/image.ts';
import { UsageError } from '../failure.ts';
import { collect, parseOption } from '../option-values.ts';
import { withProblems } from '../problem-output.ts';
import { addressOf } from '../service/address.ts';
import type { Read } from '../service/read.ts';
import { withEasel } from '../service/with-easel.ts';
import { type Column, tableText, terminalWidth } from './table.ts';

interface ListFlags {
  readonly status?: readonly string[];
  readonly label?: readonly string[];
  readonly limit: number;
  readonly cursor?: string;
  readonly json?: boolean;
}

/** Most records of an answer of `GET /images`. */
const PAGE = 100;
const LIMIT_WORDS = 'must be a whole number from 1 to 100000';
const limit = z.coerce.number(LIMIT_WORDS).int(LIMIT_WORDS).min(1, LIMIT_WORDS).max(100_000, LIMIT_WORDS);

/** Adds `list`. */
export function addList(program: Command): void {
  program
    .command('list')
    .description('list pictures, newest first')
    .addOption(
      new Option('--status <status>', 'only pictures with it; repeatable')
        .choices(IMAGE_STATUSES)
        .argParser(collectStatus),
    )
    .option('--label <label>', 'only pictures with this label; repeatable: with one of these', collect)
    .option('--limit <number>', 'how many', parseOption('--limit', limit), 20)
    .option(
      '--cursor <cursor>',
      'go on after an earlier list: nextCursor of its --json',
      parseOption('--cursor', nonBlankText),
    )
    .option('--json', 'print the page as GET /images answers it, or the problem')
    .addHelpText(
      'after',
      '\nIn a pipe the table has every value in full. The exit code is 0 where there are no pictures, too.' +
        '\n\nExample:\n  easel list --status failed --label blog --limit 50',
    )
    .action(async (flags: ListFlags, command: Command) => {
      await withProblems(flags.json, '/images', () => list(flags, command));
    });
}

/** Commander checks the choices of an option, or collects its values, not both. */
function collectStatus(value: string, earlier: readonly string[] = []): readonly string[] {
  if ((IMAGE_STATUSES as readonly string[]).includes(value)) return [...earlier, value];
  throw new UsageError(`--status: must be one of ${IMAGE_STATUSES.join(', ')}`);
}

async function list({ json = false, ...query }: ListFlags, command: Command): Promise<number> {
  return await withEasel(addressOf(command, process.env), async ({ read, interrupted, signal }) => {
    const page = await readPages(read, query, signal);
    if (interrupted.aborted) return 0;
    if (json) console.log(JSON.stringify(page, null, 2));
    else print(page);
    return 0;
  });
}

/** Reads pages until there are as many records as were asked for, or no more. */
async function readPages(
  read: Read,
  { limit, cursor, status, label }: ListFlags,
  signal: AbortSignal,
): Promise<ImagePage> {
  const items: ImageRecord[] = [];
  let nextCursor = cursor ?? null;
  do {
    const parameters = new URLSearchParams({ limit: String(Math.min(PAGE, limit - items.length)) });
    for (const value of status ?? []) parameters.append('status', value);
    for (const value of label ?? []) parameters.append('label', value);
    if (nextCursor !== null) parameters.set('cursor', nextCursor);
    const page = await read<ImagePage>(`/images?${parameters}`, { signal });
    items.push(...page.items);
    nextCursor = page.nextCursor;
  } while (nextCursor !== null && items.length < limit);
  return { items, nextCursor };
}

function print({ items, nextCursor }: ImagePage): void {
  if (items.length === 0) {
    console.error('no pictures');
    return;
  }
  console.log(tableText(items, COLUMNS, terminalWidth()));
  const hasMore = nextCursor !== null && process.stderr.isTTY;
  if (hasMore) console.error(`there are more: --limit ${items.length * 5} shows them`);
}

const COLUMNS: readonly Column<ImageRecord>[] = [
  // In full always: of the ones that Easel makes, the first half tells the time alone.
  { title: 'ID', value: ({ mediaId }) => mediaId },
  { title: 'STATUS', value: ({ status }) => status },
  { title: 'CREATED', value: ({ createdAt }) => `${createdAt.slice(0, 16).replace('T', ' ')}Z`, turnToGo: 4 },
  { title: 'SIZE', value: ({ width, height, format }) => `${width}x${height} ${format}`, turnToGo: 1 },
  { title: 'COST', value: ({ cost }) => (cost.usd === null ? 'unknown' : `$${cost.usd}`), turnToGo: 3 },
  { title: 'LABELS', value: ({ labels }) => labels.join(',') || '-', mayBeCut: true, turnToGo: 2 },
  {
    title: 'PROMPT',
    value: ({ request, prompt }) => request.prompt ?? request.brief?.subject ?? prompt,
    mayBeCut: true,
  },
];
