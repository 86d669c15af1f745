import type { Command } from 'commander';
import type { GenerateRequest } from '../../client/easel.ts';
import type { ImageRecord } from '../../client/shapes.ts';
import { MASTER_FORMATS } from '../../core/domain/formats.ts';
import { CommandError, UsageError } from '../failure.ts';
import { collect } from '../option-values.ts';
import { describeMade, placeOf } from '../pictures/describe.ts';
import { download, masterOf } from '../pictures/download.ts';
import { earlierRecord } from '../pictures/earlier-record.ts';
import { withProgress } from '../pictures/follow.ts';
import { formatOf, type OutputFile, prepareOutputFile, STANDARD_OUTPUT } from '../pictures/output-file.ts';
import { visible } from '../pictures/text.ts';
import { withProblems } from '../problem-output.ts';
import { addressOf } from '../service/address.ts';
import type { Session } from '../service/session.ts';
import { withEasel } from '../service/with-easel.ts';
import { toInput } from './inputs.ts';
import { addRequestOptions, type RequestFlags, toRequest } from './request.ts';

interface GenerateFlags extends RequestFlags {
  readonly input?: readonly string[];
  readonly mask?: string;
  readonly out?: string;
  readonly json?: boolean;
}

/** Adds `generate`. */
export function addGenerate(program: Command): void {
  addRequestOptions(program.command('generate').description('make one picture').argument('<prompt...>', 'what to show'))
    .option(
      '--input <picture>',
      'a picture to start from: a file, a URL, or the mediaId of another; repeatable',
      collect,
    )
    .option('--mask <picture>', 'for the first input, as large: its transparent parts are painted anew')
    .option('--out <file>', 'write the master there; .png, .jpeg, .jpg or .webp sets the format; - is standard output')
    .option('--json', 'print the record as POST /images answers it, or the problem')
    .addHelpText(
      'after',
      '\nThe picture is kept by the service too. Without --url, a service with SQLite must not be running; with PostgreSQL a replica' +
        '\nmakes it. Ctrl-C says what was paid: with --url it cancels the picture, else it waits for a call that is out.' +
        '\n\nExamples:\n' +
        '  easel generate "a lighthouse at dusk" --size 1024x1024 --out lighthouse.png\n' +
        '  easel generate "the same at night" --input lighthouse.png --out night.webp',
    )
    .action(async (words: readonly string[], flags: GenerateFlags, command: Command) => {
      await withProblems(flags.json, '/images', () => generate(words.join(' '), flags, command));
    });
}

/** Makes one picture, writes it to `--out`, and prints what it is. */
async function generate(prompt: string, flags: GenerateFlags, command: Command): Promise<number> {
  const { out, json = false, input = [], mask, ...fields } = flags;
  if (json && out === STANDARD_OUTPUT) throw new UsageError('--json: cannot come with --out -, which is the picture');
  if (mask !== undefined && input.length === 0)
    throw new UsageError('--mask: is for a picture to start from; name it with --input');
  const format = out === undefined ? undefined : formatOf(out, MASTER_FORMATS);
  if (format !== undefined && fields.format !== undefined && fields.format !== format) {
    throw new UsageError(
      `--format: is ${fields.format}, and ${out} ends as ${format}; leave out --format, or name another file`,
    );
  }
  // Named here, so that it can be followed and cancelled before the service has answered.
  const mediaId = fields.mediaId ?? (await import('uuid')).v7();
  const request: GenerateRequest = {
    ...toRequest(prompt, { ...fields, mediaId }, format),
    ...(input.length > 0 && { inputs: await Promise.all(input.map((text) => toInput('--input', text))) }),
    ...(mask !== undefined && { mask: await toInput('--mask', mask) }),
  };
  const address = addressOf(command, process.env);
  const file = out === undefined ? null : await prepareOutputFile(out);
  return await withEasel(address, async (session) => {
    const { easel, payments, interrupted, signal } = session;
    payments.watch(mediaId, fields.mediaId === undefined ? null : await earlierRecord(session, mediaId));
    const record = await withProgress(session, mediaId, () => easel.generate(request, { signal }));
    if (!interrupted.aborted) await report(session, record, { file, out, json });
    return 0;
  });
}

interface ReportOptions {
  readonly file: OutputFile | null;
  readonly out: string | undefined;
  readonly json: boolean;
}

async function report(session: Session, record: ImageRecord, { file, out, json }: ReportOptions): Promise<void> {
  if (file !== null) await fetchTo(file, session, record);
  for (const { detail } of record.warnings) console.error(`note: ${visible(detail)}`);
  const toFile = out !== undefined && out !== STANDARD_OUTPUT;
  const place = toFile ? ({ name: 'path', value: out } as const) : placeOf(record, session.url);
  const text = json ? JSON.stringify(record, null, 2) : describeMade(record, place);
  // With the picture on standard output, the answer for people goes beside it.
  if (out === STANDARD_OUTPUT) console.error(text);
  else console.log(text);
}

async function fetchTo(file: OutputFile, { easel, signal }: Session, record: ImageRecord): Promise<void> {
  const { mediaId } = record;
  try {
    const master = masterOf(record);
    if (master === null) throw new CommandError('its file is gone');
    await file.write(await download(easel, master, { signal }));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(
      `the picture is made and kept, but could not be written: ${reason}; easel get ${mediaId} --out FILE fetches it`,
      { cause: error },
    );
  }
}
