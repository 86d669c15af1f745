/** What must hold of answers, for the cases to choose from. */

import type { EventSourceMessage } from 'eventsource-parser';
import type { Answer, Expectation, Target } from './case.ts';

type Fields = Readonly<Record<string, unknown>>;

interface WantedPictures {
  readonly count?: number;
  /** `png` by default. */
  readonly format?: string;
  /** Whether it may be a URL that the answer names: where the call has asked for one, and for the DALL-E models. */
  readonly url?: boolean;
  /** Whether the size is that of the target, which is so by default. */
  readonly sized?: boolean;
}

/** A 200 with so many pictures that decode, in the format and the size that was asked for, and their usage. */
export function pictures(wanted: WantedPictures = {}): Expectation {
  const { count = 1, url = false } = wanted;
  return async (answer, target) => {
    const { status, json } = answer;
    if (status !== 200) return [refusal(answer)];
    if (!isFields(json)) return [`the answer is no JSON object: ${excerpt(answer.text)}`];
    const { created, data, usage } = json;
    const list = Array.isArray(data) ? data : [];
    const found = [
      ...(isTime(created) ? [] : [`\`created\` is ${written(created)}, not seconds since 1970`]),
      ...(Array.isArray(data) && list.length === count
        ? []
        : [`\`data\` ${countOf(data)} where ${count} was asked for`]),
    ];
    for (const [index, entry] of list.entries()) {
      const isNamed = isFields(entry) && typeof entry.b64_json !== 'string' && typeof entry.url === 'string';
      if (isNamed && !url && !isDallE(target)) found.push('it answers `url` where GPT Image models answer `b64_json`');
      found.push(...(await issuesOfPicture(`data[${index}]`, entry, json, { answer, target, wanted })));
    }
    return [...found, ...(isDallE(target) ? [] : issuesOfUsage(usage))];
  };
}

interface PictureContext {
  readonly answer: Answer;
  readonly target: Target;
  readonly wanted: WantedPictures;
}

/** `details`: what the answer, or the event, says of the picture in it. */
async function issuesOfPicture(
  where: string,
  entry: unknown,
  details: Fields,
  { answer, target, wanted }: PictureContext,
): Promise<readonly string[]> {
  const { b64_json, url } = isFields(entry) ? entry : {};
  let bytes: Buffer;
  if (typeof b64_json === 'string') bytes = Buffer.from(b64_json, 'base64');
  else if (typeof url !== 'string') return [`\`${where}\` has neither \`b64_json\` nor \`url\``];
  else {
    try {
      bytes = await answer.download(url);
    } catch (error) {
      return [`the picture in \`${where}\` cannot be fetched: ${(error as Error).message}`];
    }
  }
  const shape = await decode(bytes);
  if (shape === null) return [`the picture in \`${where}\` does not decode`];
  const { format = 'png', sized = true } = wanted;
  const size = `${shape.width}x${shape.height}`;
  return [
    ...(shape.format === format
      ? []
      : [`the picture in \`${where}\` is ${shape.format} where ${format} was asked for`]),
    ...(!sized || target.size === null || size === target.size
      ? []
      : [`the picture in \`${where}\` is ${size} where ${target.size} was asked for`]),
    ...(details.size === undefined || details.size === size
      ? []
      : [`\`size\` says ${written(details.size)} of a picture of ${size}`]),
    ...(details.output_format === undefined || details.output_format === shape.format
      ? []
      : [`\`output_format\` says ${written(details.output_format)} of a picture that is ${shape.format}`]),
  ];
}

/** `pictures`, whose usage counts the input too: a server that leaves the input out of account paints all the same. */
export const edited: Expectation = async (answer, target) => [
  ...(await pictures()(answer, target)),
  ...issuesOfInput(isFields(answer.json) ? answer.json.usage : undefined),
];

function issuesOfInput(usage: unknown): readonly string[] {
  const details = isFields(usage) ? usage.input_tokens_details : undefined;
  if (!isFields(details) || details.image_tokens !== 0) return [];
  return ['`usage` counts no tokens of an image as input: the picture may have been left out of account'];
}

/** What the bytes are; null where they are no whole picture. */
async function decode(bytes: Buffer) {
  // Loaded here, not with the command line: `--help` needs no pictures.
  const { default: sharp } = await import('sharp');
  try {
    const { format } = await sharp(bytes).metadata();
    const { info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
    return { format: String(format), width: info.width, height: info.height };
  } catch {
    return null;
  }
}

function issuesOfUsage(usage: unknown): readonly string[] {
  if (!isFields(usage)) return ['`usage` is missing: what the picture cost is an estimate'];
  const counts = ['input_tokens', 'output_tokens', 'total_tokens'].filter((name) => !isCount(usage[name]));
  if (counts.length > 0) return counts.map((name) => `\`usage.${name}\` is ${written(usage[name])}, not a count`);
  const isSum = usage.total_tokens === Number(usage.input_tokens) + Number(usage.output_tokens);
  return isSum ? [] : ['`usage.total_tokens` is not the sum of input and output'];
}

/**
 * A stream of `image_generation.*` or `image_edit.*` events: at most so many partial pictures, counted from 0, then one that is
 * completed, whose usage stands beside it.
 */
export function stream(prefix: 'image_generation' | 'image_edit', partials: number): Expectation {
  return async (answer, target) => {
    if (answer.status !== 200) return [refusal(answer)];
    if (!isEventStream(answer.headers)) {
      return [`it answers ${answer.headers.get('content-type') ?? 'no content type'} in place of a stream`];
    }
    const events = answer.events.filter(({ data }) => data !== '[DONE]').map(readEvent);
    const named = (name: string) => events.filter(({ fields }) => fields.type === `${prefix}.${name}`);
    const [finished, more] = named('completed');
    const previews = named('partial_image');
    const known = new Set([...named('completed'), ...previews]);
    const found = events
      .filter((event) => !known.has(event))
      .map(({ name, fields }) => `there is an event \`${name ?? written(fields.type)}\` in the stream`);
    for (const { name, fields } of known) {
      if (name !== undefined && name !== fields.type) {
        found.push(`an event is named \`${name}\`, and its \`type\` is ${written(fields.type)}`);
      }
    }
    if (previews.length > partials)
      found.push(`${previews.length} partial pictures come where ${partials} was asked for`);
    for (const [index, { fields }] of previews.entries()) {
      const { partial_image_index: counted } = fields;
      if (counted !== index) found.push(`\`partial_image_index\` is ${written(counted)} where ${index} comes next`);
    }
    if (finished === undefined) return [...found, `no \`${prefix}.completed\` ends the stream`];
    if (more !== undefined) found.push(`there is more than one \`${prefix}.completed\``);
    if (events.at(-1) !== finished && more === undefined) found.push(`events come after \`${prefix}.completed\``);
    const context = { answer, target, wanted: {} };
    for (const { fields } of known) {
      found.push(...(await issuesOfPicture(String(fields.type), fields, fields, context)));
    }
    return [...found, ...(isDallE(target) ? [] : issuesOfUsage(finished.fields.usage))];
  };
}

/** True for a body that is said to be Server-Sent Events. */
export function isEventStream(headers: Headers): boolean {
  return /^text\/event-stream\b/i.test(headers.get('content-type') ?? '');
}

function readEvent({ event, data }: EventSourceMessage): {
  readonly name: string | undefined;
  readonly fields: Fields;
} {
  try {
    const fields: unknown = JSON.parse(data);
    return { name: event, fields: isFields(fields) ? fields : {} };
  } catch {
    return { name: event, fields: {} };
  }
}

interface WantedError {
  readonly status: number;
  readonly code?: string;
  readonly param?: string;
}

/** A refusal in the shape of OpenAI's errors. */
export function refused({ status, code, param }: WantedError): Expectation {
  return (answer) => {
    const found: string[] = [];
    if (answer.status !== status) found.push(`it answers ${answer.status} where ${status} is published`);
    if (answer.status < 400) return found;
    const error = isFields(answer.json) ? answer.json.error : undefined;
    if (!isFields(error)) {
      return [
        ...found,
        `the body of the error is not {"error": {"message", "type", "code", "param"}}: ${excerpt(answer.text)}`,
      ];
    }
    for (const name of ['message', 'type']) {
      if (typeof error[name] !== 'string') found.push(`\`error.${name}\` is ${written(error[name])}, not text`);
    }
    for (const name of ['code', 'param']) {
      if (error[name] !== null && typeof error[name] !== 'string') {
        found.push(`\`error.${name}\` is ${written(error[name])}, not text and not null`);
      }
    }
    if (code !== undefined && error.code !== code)
      found.push(`\`error.code\` is ${written(error.code)}, not "${code}"`);
    if (param !== undefined && error.param !== param) {
      found.push(`\`error.param\` is ${written(error.param)}, not "${param}"`);
    }
    return found;
  };
}

/** Either: the answer is held to `accepted` where it is a 200, else to `refusal`. */
export function either(accepted: Expectation, refusal: Expectation): Expectation {
  return (answer, target) => (answer.status === 200 ? accepted : refusal)(answer, target);
}

/** A list of models, each with its id. */
export const modelList: Expectation = (answer) => {
  if (answer.status !== 200) return [refusal(answer)];
  const { object, data } = isFields(answer.json) ? answer.json : {};
  if (!Array.isArray(data)) return [`\`data\` is ${written(data)}, not a list of models`];
  const wrong = data.findIndex((row) => !isModel(row));
  return [
    ...(object === 'list' ? [] : [`\`object\` is ${written(object)}, not "list"`]),
    ...(data.length > 0 ? [] : ['the list is empty']),
    ...(wrong < 0 ? [] : [`\`data[${wrong}]\` is not {"id", "object": "model", "created", "owned_by"}`]),
  ];
};

/** The row of the target's model. */
export const modelRow: Expectation = (answer, { model }) => {
  if (answer.status !== 200) return [refusal(answer)];
  if (!isModel(answer.json)) return ['it is not {"id", "object": "model", "created", "owned_by"}'];
  return answer.json.id === model ? [] : [`\`id\` is ${written(answer.json.id)}, not "${model}"`];
};

/** `x-request-id`, by which a call is found in logs. */
export const requestId: Expectation = ({ headers }) =>
  headers.has('x-request-id') ? [] : ['the answer has no header `x-request-id`'];

/** A refusal in a few words: its status, and what the server says. */
export function refusal({ status, json, text }: Answer): string {
  const error = isFields(json) ? json.error : undefined;
  const message = isFields(error) && typeof error.message === 'string' ? error.message : text;
  return `it answers ${status}: ${excerpt(message)}`;
}

function isModel(row: unknown): row is Fields {
  return (
    isFields(row) &&
    typeof row.id === 'string' &&
    row.object === 'model' &&
    isTime(row.created) &&
    typeof row.owned_by === 'string'
  );
}

/** True for a 200 that gives something as a picture, whatever it is. */
export function hasPicture({ status, json }: Answer): boolean {
  return status === 200 && isFields(json) && Array.isArray(json.data) && json.data.length > 0;
}

/** The DALL-E models answer URLs, and have no usage. */
function isDallE({ model }: Target): boolean {
  return model.startsWith('dall-e');
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 0;
}

/** Seconds, not milliseconds: those of any day until the year 5138. */
function isTime(value: unknown): boolean {
  return isCount(value) && Number(value) < 1e11;
}

function countOf(data: unknown): string {
  return Array.isArray(data) ? `has ${data.length} entries` : `is ${written(data)}`;
}

function written(value: unknown): string {
  return value === undefined ? 'missing' : excerpt(JSON.stringify(value));
}

/** The beginning of a text in one line, without characters that a terminal would obey. */
function excerpt(text: string): string {
  const line = text
    .slice(0, 500)
    .replaceAll(/[\p{C}\s]+/gu, ' ')
    .trim();
  if (line === '') return 'an empty body';
  return line.length > 160 ? `${line.slice(0, 160)}…` : line;
}
