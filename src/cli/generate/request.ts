import { type Command, Option } from 'commander';
import { createImage } from '../../api/create-image.ts';
import { fieldErrors } from '../../api/problem.ts';
import type { GenerateRequest } from '../../client/easel.ts';
import { BACKGROUNDS, MASTER_FORMATS, QUALITIES } from '../../core/domain/formats.ts';
import { InvalidRequestError, UsageError } from '../failure.ts';
import { collect } from '../option-values.ts';

/** The options that are fields of a request, as commander gives them. */
export interface RequestFlags {
  readonly mediaId?: string;
  readonly preset?: string;
  readonly model?: string;
  readonly provider?: string;
  readonly size?: string;
  readonly quality?: string;
  readonly style?: string;
  readonly background?: string;
  readonly format?: string;
  readonly rendition?: readonly string[];
  readonly label?: readonly string[];
  readonly metadata?: readonly string[];
  readonly ttlSeconds?: string;
  readonly webhookUrl?: string;
}

/** Adds the options that are fields of a request, in kebab case. */
export function addRequestOptions(command: Command): Command {
  return command
    .option('--media-id <id>', 'names the picture: its record, file and URL; the same request again pays nothing')
    .option('--preset <name>', 'a named set of defaults, such as article-hero')
    .option('--model <id>', 'default: IMAGE_MODEL')
    .option('--provider <name>', 'only this provider; default: the configured order')
    .option('--size <size>', 'WIDTHxHEIGHT in pixels, such as 1792x1024; default: IMAGE_SIZE')
    .addOption(new Option('--quality <quality>', 'default: IMAGE_QUALITY').choices(QUALITIES))
    .option('--style <style>', 'a parameter of the model where it has one, else a part of the prompt')
    .addOption(new Option('--background <background>', 'default: auto').choices(BACKGROUNDS))
    .addOption(
      new Option('--format <format>', 'of the master; default: as --out ends, else png').choices(MASTER_FORMATS),
    )
    .option(
      '--rendition <file>',
      'a derived file, such as 1200x675.webp; repeatable; default: IMAGE_RENDITIONS',
      collect,
    )
    .option('--label <label>', 'finds the picture again in the list; repeatable', collect)
    .option('--metadata <key=value>', 'given back as it came; repeatable', collect)
    .option('--ttl-seconds <seconds>', 'deletes the picture this long after it was made, in place of RETENTION')
    .option('--webhook-url <url>', 'is sent the record at the end');
}

/**
 * The request that prompt and options make, held to the schema of `POST /images`. `format` is that of the file to write, where one is.
 * Raises `InvalidRequestError` that names each wrong option.
 */
export function toRequest(prompt: string, flags: RequestFlags, format: string | undefined): GenerateRequest {
  const { rendition: renditions, label: labels, metadata, ttlSeconds, ...fields } = flags;
  const given = {
    ...fields,
    prompt,
    renditions,
    labels,
    format: flags.format ?? format,
    metadata: metadata && toPairs(metadata),
    ttlSeconds: ttlSeconds === undefined ? undefined : toInteger('--ttl-seconds', ttlSeconds),
  };
  const result = createImage.safeParse(given);
  if (!result.success) throw new InvalidRequestError(fieldErrors(result.error.issues, 'body'));
  // As it was given: the service reads it by the same schema.
  return given as GenerateRequest;
}

function toPairs(texts: readonly string[]): Readonly<Record<string, string>> {
  const pairs = texts.map((text) => {
    const end = text.indexOf('=');
    if (end < 1) throw new UsageError('--metadata: must be KEY=VALUE, such as articleId=42');
    return [text.slice(0, end), text.slice(end + 1)] as const;
  });
  const repeated = pairs.find(([key], index) => pairs.findIndex(([other]) => other === key) < index);
  if (repeated) throw new UsageError(`--metadata: ${repeated[0]} is given twice`);
  return Object.fromEntries(pairs);
}

function toInteger(flag: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`${flag}: must be a whole number of seconds, such as 3600`);
}
