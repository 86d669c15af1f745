import type { Command } from 'commander';
import { errorProblem, failureProblem, type ProblemSpec, replayedFailure } from '../../api/problem.ts';
import type { Services } from '../../composition/services.ts';
import { DatabaseInUseError, ImageError } from '../../core/domain/errors.ts';
import { type Image, isFinished } from '../../core/domain/image.ts';
import { ANONYMOUS } from '../../core/domain/request.ts';
import { waitForImage, warnWithoutMaker, withServices } from '../embedded-service.ts';
import { CommandError, EXIT_FAILED, InvalidRequestError, UsageError } from '../failure.ts';
import { describeRecord, problemText } from './answer.ts';
import { formatOf, type OutputFile, openOutputFile, STANDARD_OUTPUT } from './output-file.ts';
import { showProgress } from './progress.ts';
import { addRequestOptions, type RequestFlags, toRequest } from './request.ts';

interface GenerateFlags extends RequestFlags {
  readonly out?: string;
  readonly json?: boolean;
}

/** Adds `generate`. */
export function addGenerate(program: Command): void {
  addRequestOptions(program.command('generate').description('make one picture').argument('<prompt...>', 'what to show'))
    .option('--out <file>', 'writes the master there; .png, .jpeg, .jpg or .webp sets the format; - is standard output')
    .option('--json', 'print the record as POST /images answers it, or the problem')
    .addHelpText(
      'after',
      '\nWith SQLite no service may be running. With PostgreSQL a running replica makes the picture. It is kept in MEDIA_DIR or the bucket too.' +
        '\n\nExample:\n' +
        '  easel generate "a lighthouse at dusk" --size 1024x1024 --out lighthouse.png',
    )
    .action(async (words: readonly string[], flags: GenerateFlags) => {
      try {
        process.exitCode = await generate(words.join(' '), flags);
      } catch (error) {
        const problem = flags.json ? problemOf(error) : null;
        if (problem !== null) console.log(problemText(problem));
        throw error;
      }
    });
}

/** The problem for an error that HTTP would have answered with one; null for an error of the command alone. */
function problemOf(error: unknown): ProblemSpec | null {
  if (error instanceof ImageError) return errorProblem(error);
  if (error instanceof DatabaseInUseError) return { code: 'storage_unavailable', detail: error.message };
  if (!(error instanceof InvalidRequestError)) return null;
  return { code: 'invalid_request', detail: error.message, errors: error.errors };
}

/** Makes one picture, writes it to `--out`, and prints what it is. Exit code 1 when it did not succeed. */
async function generate(prompt: string, flags: GenerateFlags): Promise<number> {
  const { out, json = false, ...fields } = flags;
  if (json && out === STANDARD_OUTPUT) throw new UsageError('--json: cannot come with --out -, which is the picture');
  const format = out === undefined ? undefined : formatOf(out);
  if (format !== undefined && fields.format !== undefined && fields.format !== format) {
    throw new UsageError(
      `--format: is ${fields.format}, and ${out} ends as ${format}; leave out --format, or name another file`,
    );
  }
  const request = toRequest(prompt, fields, format);
  await using file = out === undefined ? null : await openOutputFile(out);
  return await withServices(async ({ services, payments, interrupted }) => {
    const { image, replayed } = await services.images.submit(request, ANONYMOUS, null);
    payments.watch(image.mediaId);
    // The service was not started, so that it resumes no other work; this image may be one that an earlier process left unfinished.
    await services.resume(image.mediaId);
    if (!isFinished(image.status)) await warnWithoutMaker(services);
    const finished = await finish(services, image.mediaId, interrupted);
    if (interrupted.aborted) return EXIT_FAILED;
    if (finished?.status !== 'succeeded') return reportFailure(finished ?? image, replayed, json);
    await report(services, finished, { file, out, json });
    return 0;
  });
}

/** Waits for the end of the image, with progress on a terminal. */
async function finish(services: Services, mediaId: string, signal: AbortSignal): Promise<Image | null> {
  using progress = showProgress(process.stderr);
  const done = new AbortController();
  const follow = async () => {
    const events = await services.images.follow(mediaId, ANONYMOUS, null, AbortSignal.any([signal, done.signal]));
    for await (const event of events ?? []) if (event.type === 'status') progress.stage(event.data.status);
  };
  const following = follow().catch(() => undefined);
  const image = await waitForImage(services, mediaId);
  done.abort();
  await following;
  return image;
}

interface ReportOptions {
  readonly file: OutputFile | null;
  readonly out: string | undefined;
  readonly json: boolean;
}

async function report(services: Services, image: Image, { file, out, json }: ReportOptions): Promise<void> {
  const record = await services.toRecord(image);
  if (file !== null) {
    const bytes = image.master && (await services.pictures.read(image.master));
    if (!bytes) throw new CommandError(`the picture ${image.mediaId} was deleted before it could be written to ${out}`);
    await file.write(bytes);
  }
  for (const { detail } of record.warnings) console.error(`note: ${detail}`);
  const toFile = out !== undefined && out !== STANDARD_OUTPUT;
  const text = json ? JSON.stringify(record, null, 2) : describeRecord(record, toFile ? out : record.path);
  // With the picture on standard output, the answer for people goes beside it.
  if (out === STANDARD_OUTPUT) console.error(text);
  else console.log(text);
}

function reportFailure(image: Image, replayed: boolean, json: boolean): number {
  const problem = replayed ? replayedFailure(image) : failureProblem(image);
  if (json) console.log(problemText(problem));
  console.error(`${problem.detail} (${problem.code})`);
  return EXIT_FAILED;
}
