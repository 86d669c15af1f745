/** What tools answer: content for the model and the person, and the record for programs. */

import type { CallToolResult } from '@modelcontextprotocol/server';
import type { Easel } from '../client/easel.ts';
import { failureOf } from '../client/errors.ts';
import type { ImageRecord } from '../client/shapes.ts';
import type { ToolProblem } from './tool-problem.ts';

/** A picture as clients show it. */
export interface SmallPicture {
  /** `image/jpeg` or `image/png`: what every client can show. */
  readonly mimeType: string;
  readonly bytes: Uint8Array;
}

/** What answers are made with. */
export interface AnswerParts {
  /** Makes the small picture of an answer, of at most 512 px, from that of a record. */
  readonly shrink: (picture: Uint8Array) => Promise<SmallPicture>;
  /** Where the master of a finished picture is, as an absolute URL. */
  readonly linkTo: (record: ImageRecord) => string;
  /** Notes why an answer bears no small picture. */
  readonly onPictureMissing: (mediaId: string, error: unknown) => void;
}

type Content = CallToolResult['content'];

/** The answer for a picture, however far it is. Raises `EaselError` for one that failed or was cancelled where `failureIsError`. */
export async function pictureAnswer(
  easel: Easel,
  record: ImageRecord,
  parts: AnswerParts,
  { failureIsError }: { readonly failureIsError: boolean },
): Promise<CallToolResult> {
  const { status } = record;
  if (failureIsError && (status === 'failed' || status === 'cancelled')) throw failureOf(record);
  if (status !== 'succeeded') return recordAnswer([text(describeUnfinished(record))], record);
  const link = parts.linkTo(record);
  const preview = await smallPictureOf(easel, record, parts);
  return recordAnswer([...preview, masterLink(record, link), text(`${describe(record)} ${link}`)], record);
}

/** A failure, with the problem for programs. */
export function problemAnswer(problem: ToolProblem): CallToolResult {
  return { ...recordAnswer([text(`${problem.code}: ${problem.detail}`)], problem), isError: true };
}

/** An answer in words, with its value for programs. */
export function textAnswer(words: string, value: object): CallToolResult {
  return recordAnswer([text(words)], value);
}

/** A picture in one line, for lists. */
export function describeBriefly(record: ImageRecord): string {
  const { mediaId, status, width, height, prompt, request } = record;
  const size = width === null ? '' : ` ${width}x${height}`;
  const words = (request.prompt ?? request.brief?.subject ?? prompt ?? '').replace(/\s+/g, ' ');
  return `${mediaId} ${status}${size}: ${words.length > 100 ? `${words.slice(0, 99)}…` : words}`;
}

function recordAnswer(content: Content, value: object): CallToolResult {
  return { content, structuredContent: value as Record<string, unknown> };
}

function text(words: string): Content[number] {
  return { type: 'text', text: words };
}

function masterLink(record: ImageRecord, uri: string): Content[number] {
  const { mediaId, format, width, height, bytes } = record;
  return {
    type: 'resource_link',
    uri,
    name: `${mediaId}.${format}`,
    description: `The picture itself, ${width}x${height}.`,
    mimeType: `image/${format}`,
    ...(bytes !== null && { size: bytes }),
  };
}

/** The small picture; none where it cannot be had, since the picture itself is there and the answer must not fail for it. */
async function smallPictureOf(easel: Easel, record: ImageRecord, parts: AnswerParts): Promise<Content> {
  const url = record.thumbnail?.url;
  if (url === undefined) return [];
  try {
    const response = await easel.media(url, { timeoutMs: PICTURE_MS });
    const { mimeType, bytes } = await parts.shrink(new Uint8Array(await response.arrayBuffer()));
    return [{ type: 'image', data: Buffer.from(bytes).toString('base64'), mimeType }];
  } catch (error) {
    parts.onPictureMissing(record.mediaId, error);
    return [];
  }
}

/** How long an answer waits for its small picture, in milliseconds. */
const PICTURE_MS = 10_000;

function describe({ mediaId, width, height, format, provider, model, cost, warnings }: ImageRecord): string {
  const about = cost.basis === 'estimate' ? 'about ' : '';
  const known = cost.usd === 0 ? 'for nothing' : `for ${about}$${cost.usd}`;
  const paid = cost.usd === null ? 'at a cost that is not known' : known;
  const notes = warnings.map(({ detail }) => ` Note: ${detail}.`).join('');
  return `${mediaId}: ${width}x${height} ${format}, made by ${provider} ${model} ${paid}.${notes}`;
}

function describeUnfinished({ mediaId, status, queuePosition, error }: ImageRecord): string {
  if (status === 'failed') return `${mediaId} failed: ${error?.code}: ${error?.detail}`;
  if (status === 'cancelled') return `${mediaId} was cancelled: there is no picture.`;
  const place = queuePosition === null ? '' : ` (place ${queuePosition} in the queue)`;
  return (
    `${mediaId} is ${status}${place}. It goes on by itself and is paid once: ` +
    `call get_image with mediaId ${mediaId} to collect it, and do not ask for it again.`
  );
}
