import type { FastifyReply } from 'fastify';
import { costOf, type PicturesHead, toPicturesHead } from '../../api/openai/answers.ts';
import type { ResponseFormat } from '../../api/openai/requests.ts';
import { failureProblem, replayedFailure } from '../../api/problem.ts';
import type { Image, MediaFile, Warning } from '../../core/domain/image.ts';
import type { ToRecord } from '../../core/domain/record.ts';
import type { PublishedPictures } from '../../core/images/published-file.ts';
import type { OpenFile } from '../../core/ports/media-store.ts';
import type { JsonPart } from './base64-json.ts';
import { finalError, OpenAiError } from './errors.ts';

/** The images of a call, all of which have ended. */
export interface EndedCall {
  readonly images: readonly Image[];
  readonly responseFormat: ResponseFormat;
  /** About the call itself. */
  readonly warnings: readonly Warning[];
  /** False where the call found images of an earlier one. */
  readonly started: boolean;
}

interface PicturesDeps {
  readonly pictures: PublishedPictures;
  readonly toRecord: ToRecord;
}

/** A picture that was made, with its master. */
interface Made {
  readonly image: Image;
  readonly master: MediaFile;
}

/**
 * The answer with the pictures, as parts of a JSON text. Its files are closed when `reply` ends. Sets the headers that say what the
 * images cost and what there is to know of them. Raises `OpenAiError` with the first failure where no picture was made.
 */
export async function answerParts(
  reply: FastifyReply,
  { images, responseFormat, warnings, started }: EndedCall,
  deps: PicturesDeps,
): Promise<JsonPart[]> {
  const made = images.flatMap((image) =>
    image.status === 'succeeded' && image.master ? [{ image, master: image.master }] : [],
  );
  const failed = images.filter((image) => made.every((one) => one.image !== image));
  const missing = made.length === 0 ? [] : failed.map((image) => missingPicture(image, images));
  describeImages(reply, images, [...warnings, ...missing]);
  const [first, ...more] = made;
  if (first === undefined) throw endWithout(images, started);

  const head = toPicturesHead([first.image, ...more.map(({ image }) => image)], images);
  const items =
    responseFormat === 'url' ? await urlItems(reply, made, deps) : await base64Items(reply, made, deps.pictures);
  return joinParts(head, items);
}

/** Sets the headers that tell of the images of a call. */
export function describeImages(reply: FastifyReply, images: readonly Image[], warnings: readonly Warning[] = []): void {
  const usd = costOf(images);
  const all = [...warnings, ...images.flatMap((image) => image.warnings)];
  reply.header('x-easel-media-id', images.map(({ mediaId }) => mediaId).join(','));
  if (usd !== null) reply.header('x-easel-cost-usd', String(usd));
  if (all.length > 0) reply.header('x-easel-warnings', encodeWarnings(all));
}

/** Most characters of the warnings' header: nginx takes 4 KB for all headers of an answer. */
const MOST_WARNING_CHARACTERS = 2_000;

/** The warnings, each once, as percent-encoded JSON, as many as there is room for. */
function encodeWarnings(warnings: readonly Warning[]): string {
  const distinct = new Map(warnings.map(({ code, detail }) => [`${code} ${detail}`, { code, detail }]));
  let encoded = '';
  const kept: object[] = [];
  for (const warning of distinct.values()) {
    kept.push(warning);
    const next = encodeURIComponent(JSON.stringify(kept));
    if (next.length > MOST_WARNING_CHARACTERS) break;
    encoded = next;
  }
  return encoded || encodeURIComponent('[]');
}

function missingPicture(image: Image, images: readonly Image[]): Warning {
  const reason = image.status === 'cancelled' ? 'it was cancelled' : failureProblem(image).detail;
  const place = `picture ${images.indexOf(image) + 1} of ${images.length}`;
  return { code: 'picture_failed', detail: `${place} was not made: ${reason}` };
}

/** The error of a call that made no picture: that of the first image that failed, else that it was cancelled. */
export function endWithout(images: readonly Image[], started: boolean): OpenAiError {
  const failed = images.find(({ status }) => status === 'failed');
  if (failed) return finalError(started ? failureProblem(failed) : replayedFailure(failed));
  const message = 'the picture was cancelled; another call makes it';
  return new OpenAiError(
    409,
    { message, type: 'invalid_request_error', code: 'cancelled', param: null },
    {
      'x-should-retry': 'false',
    },
  );
}

/** Where the stored file is: absolute, by `PUBLIC_URL` or by the request. */
async function urlItems(reply: FastifyReply, made: readonly Made[], { toRecord }: PicturesDeps): Promise<JsonPart[][]> {
  const { protocol, host } = reply.request;
  return await Promise.all(
    made.map(async ({ image }) => {
      const { url } = await toRecord(image);
      // A request of HTTP/1.0 may name no host.
      const absolute = URL.parse(url ?? '', `${protocol}://${host}`)?.href ?? url;
      return [JSON.stringify({ url: absolute, ...revised(image) })];
    }),
  );
}

async function base64Items(
  reply: FastifyReply,
  made: readonly Made[],
  pictures: Pick<PublishedPictures, 'open'>,
): Promise<JsonPart[][]> {
  const openMaster = createOpenMaster(reply, pictures);
  const items: JsonPart[][] = [];
  for (const { image, master } of made) {
    const file = await openMaster(master);
    const rest = JSON.stringify(revised(image)).slice(1, -1);
    items.push(['{"b64_json":"', file, rest === '' ? '"}' : `",${rest}}`]);
  }
  return items;
}

/** Creates the function that opens a master until `reply` ends. It raises `OpenAiError` where the master was deleted meanwhile. */
export function createOpenMaster(
  reply: FastifyReply,
  pictures: Pick<PublishedPictures, 'open'>,
): (master: MediaFile) => Promise<OpenFile> {
  const files: OpenFile[] = [];
  // The body that reads them may never be begun.
  const closeAll = () => {
    for (const file of files) void file.close();
  };
  reply.raw.once('close', closeAll);
  return async (master) => {
    const file = await pictures.open(master);
    if (file === null) {
      throw finalError({ code: 'not_found', detail: 'the picture was deleted, or its file is being made again' });
    }
    files.push(file);
    if (reply.raw.destroyed) closeAll();
    return file;
  };
}

function revised({ revisedPrompt }: Image): { readonly revised_prompt?: string } {
  return revisedPrompt === null ? {} : { revised_prompt: revisedPrompt };
}

/** `created`, `data` and the rest, in the order of the published answer. */
function joinParts({ created, ...rest }: PicturesHead, items: readonly JsonPart[][]): JsonPart[] {
  const separated = items.flatMap((item, index) => (index === 0 ? item : [',', ...item]));
  return [`{"created":${created},"data":[`, ...separated, `],${JSON.stringify(rest).slice(1)}`];
}
