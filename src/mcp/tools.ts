/** The tools: what each says of itself, and what it does. Everything is done through the API, by its client. */

import type { CallToolResult, ServerContext, ToolAnnotations } from '@modelcontextprotocol/server';
import type { Easel, GenerateRequest } from '../client/easel.ts';
import { EaselError } from '../client/errors.ts';
import { type AnswerParts, describeBriefly, pictureAnswer, textAnswer } from './answers.ts';
import type { Arguments, PictureArguments, ToolName } from './arguments.ts';
import type { CallMemory } from './call-memory.ts';
import { type TakenPictures, toRequest } from './given-pictures.ts';
import { createProgress } from './progress.ts';
import { hasEnded, waitForEnd } from './wait.ts';

/** What the tools of a connection, or of a request, work with. */
export interface ToolParts extends AnswerParts {
  /** The service, opened where that is still to be done. */
  readonly openEasel: () => Promise<Easel>;
  /** Names the caller for `memory`. */
  readonly caller: string;
  readonly memory: CallMemory;
  readonly takenPictures: TakenPictures;
  /** Longest that a call waits for its picture, in milliseconds. */
  readonly waitMs: number;
  /** Fires when calls are to be answered as things stand. */
  readonly ending: AbortSignal;
}

type Run<Name extends ToolName> = (
  given: Arguments<Name>,
  parts: ToolParts & { readonly easel: Easel },
  context: ServerContext,
) => Promise<CallToolResult>;

interface Tool<Name extends ToolName> {
  readonly title: string;
  readonly description: string;
  readonly annotations: ToolAnnotations;
  readonly run: Run<Name>;
}

const WAITING =
  'Waits for the picture; one that takes longer goes on, and the answer names the mediaId with which get_image collects it.';
const PAYS = { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true };
const READS = { readOnlyHint: true, openWorldHint: false };

/** Every tool by its name. */
export const TOOLS: { readonly [Name in ToolName]: Tool<Name> } = {
  generate_image: {
    title: 'Make a picture',
    description: `Makes one picture from a prompt or a brief with an image model, and keeps it. It costs money. ${WAITING}`,
    annotations: PAYS,
    run: make,
  },
  edit_image: {
    title: 'Edit a picture',
    description:
      'Makes one picture from pictures and a prompt that says what to change or how to use them, and keeps it beside them. It costs ' +
      `money. ${WAITING}`,
    annotations: PAYS,
    run: make,
  },
  preview_image: {
    title: 'What a picture would be',
    description:
      'Says what a request would send to the model and about what it would cost. Calls no model and costs nothing.',
    annotations: READS,
    async run(given, { easel, takenPictures }) {
      const preview = await easel.preview(toRequest(given, takenPictures));
      const { providers, requestedSize, cost } = preview;
      const words = cost.usd === null ? 'a cost that is not known' : `about $${cost.usd}`;
      return textAnswer(`${requestedSize} by ${providers.join(', else ')} for ${words}: ${preview.prompt}`, preview);
    },
  },
  get_image: {
    title: 'Get a picture',
    description: `Gives a picture by its mediaId, with what is known of it. ${WAITING}`,
    annotations: READS,
    async run({ mediaId }, parts, context) {
      const { easel, memory, caller } = parts;
      const signal = waitSignal(parts, context);
      const record = await waitForEnd(easel, await easel.get(mediaId), { signal, progress: createProgress(context) });
      if (hasEnded(record)) memory.collected(caller, mediaId);
      return await pictureAnswer(easel, record, parts, { failureIsError: false });
    },
  },
  list_images: {
    title: 'List pictures',
    description: 'Lists pictures, newest first, without showing them.',
    annotations: READS,
    async run(given, { easel }) {
      const asked = Object.entries(given).filter(([, value]) => value !== null);
      const page = await easel.page(Object.fromEntries(asked));
      const lines = page.items.map(describeBriefly);
      const more = page.nextCursor === null ? '' : `\nMore with cursor ${page.nextCursor}`;
      return textAnswer(`${lines.length === 0 ? 'No picture.' : lines.join('\n')}${more}`, page);
    },
  },
  delete_image: {
    title: 'Delete a picture',
    description: 'Deletes a picture, its files and its record. It cannot be undone, and what it cost is not paid back.',
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
    async run({ mediaId }, { easel }) {
      await easel.remove(mediaId);
      return textAnswer(`${mediaId} is deleted.`, { mediaId, deleted: true });
    },
  },
  list_presets: {
    title: 'List presets',
    description: 'Lists the presets: named defaults for kinds of pictures, such as article-hero.',
    annotations: READS,
    async run(_given, { easel }) {
      const items = await easel.presets();
      const lines = items.map(({ name, description }) => `${name}: ${description}`);
      return textAnswer(lines.join('\n'), { items });
    },
  },
};

/** Makes a picture. It is not given up when the call is: what was asked for is made, and paid once. */
async function make(
  given: PictureArguments,
  parts: ToolParts & { readonly easel: Easel },
  context: ServerContext,
): Promise<CallToolResult> {
  const { easel, memory, caller, takenPictures } = parts;
  const { id, signal: left } = context.mcpReq;
  const call = memory.begin({ caller, requestId: id }, given);
  left.addEventListener('abort', () => call.leave());
  try {
    const signal = waitSignal(parts, context);
    const progress = createProgress(context);
    const idempotencyKey = given.mediaId == null ? call.key : undefined;
    const accepted = await easel.submit(toRequest(given, takenPictures), { idempotencyKey }).catch((error: unknown) => {
      if (mayBeAccepted(error)) call.leave();
      throw error;
    });
    call.accepted(accepted.mediaId);
    // The service has them. The call may wait for long.
    takenPictures.clear();
    const { mediaId, request } = accepted;
    const join = () => easel.generate({ ...request, mediaId } as GenerateRequest, { signal });
    const record = await waitForEnd(easel, accepted, { signal, progress, join });
    if (!hasEnded(record)) call.leave();
    return await pictureAnswer(easel, record, parts, { failureIsError: true });
  } finally {
    call.end();
  }
}

/** Whether a request that raised this may have been accepted all the same. */
function mayBeAccepted(error: unknown): boolean {
  return !(error instanceof EaselError) || error.status === null || error.status >= 500;
}

function waitSignal({ waitMs, ending }: ToolParts, { mcpReq }: ServerContext): AbortSignal {
  return AbortSignal.any([mcpReq.signal, ending, AbortSignal.timeout(waitMs)]);
}
