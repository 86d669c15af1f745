import type { Command } from 'commander';
import type { ImageRecord } from '../../client/shapes.ts';
import { RENDITION_FORMATS } from '../../core/domain/formats.ts';
import { CommandError, UsageError } from '../failure.ts';
import { withProblems } from '../problem-output.ts';
import { addressOf } from '../service/address.ts';
import type { Session } from '../service/session.ts';
import { withEasel } from '../service/with-easel.ts';
import { describeRecord, placeOf } from './describe.ts';
import { download, type StoredPicture, storedPictures } from './download.ts';
import { formatOf, type OutputFile, prepareOutputFile, STANDARD_OUTPUT } from './output-file.ts';

interface GetFlags {
  readonly out?: string;
  readonly json?: boolean;
}

/** Adds `get`. */
export function addGet(program: Command): void {
  program
    .command('get')
    .description('show the record of a picture, and write its file')
    .argument('<id>', 'its mediaId')
    .option(
      '--out <file>',
      'write the master there, or the largest rendition of the format that the ending names; - is the master on standard output',
    )
    .option('--json', 'print the record as GET /images/ID answers it, or the problem')
    .addHelpText('after', '\nExample:\n  easel get article-42-hero --out hero.webp')
    .action(async (mediaId: string, flags: GetFlags, command: Command) => {
      await withProblems(flags.json, `/images/${mediaId}`, () => get(mediaId, flags, command));
    });
}

async function get(mediaId: string, { out, json = false }: GetFlags, command: Command): Promise<number> {
  if (json && out === STANDARD_OUTPUT) throw new UsageError('--json: cannot come with --out -, which is the picture');
  const format = out === undefined ? undefined : formatOf(out, RENDITION_FORMATS);
  const address = addressOf(command, process.env);
  const file = out === undefined ? null : await prepareOutputFile(out);
  return await withEasel(address, async (session) => {
    const record = await session.easel.get(mediaId, { signal: session.signal });
    if (file !== null) await writeTo(file, session, record, format);
    if (session.interrupted.aborted) return 0;
    if (json) console.log(JSON.stringify(record, null, 2));
    else if (out === undefined) console.log(describeRecord(record, placeOf(record, session.url)));
    return 0;
  });
}

async function writeTo(
  file: OutputFile,
  { easel, signal }: Session,
  record: ImageRecord,
  format: StoredPicture['format'] | undefined,
): Promise<void> {
  const stored = storedPictures(record);
  const picture = stored.find((each) => format === undefined || each.format === format);
  if (picture === undefined) throw new CommandError(describeMissing(record, stored, format));
  await file.write(await download(easel, picture, { signal }));
}

function describeMissing(
  { mediaId, status, error }: ImageRecord,
  stored: readonly StoredPicture[],
  format: StoredPicture['format'] | undefined,
): string {
  if (stored.length === 0)
    return `${mediaId} has no picture: it is ${status}${error === null ? '' : `, ${error.detail}`}`;
  const there = stored.map((each) => `${each.width}x${each.height}.${each.format}`).join(', ');
  return `${mediaId} has no ${format}; there is ${there}`;
}
