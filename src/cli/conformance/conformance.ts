import type { Command } from 'commander';
import { z } from 'zod';
import { CommandError, EXIT_FAILED, UsageError } from '../failure.ts';
import { parseOption } from '../option-values.ts';
import { casesOf, mostPictures } from './cases.ts';
import { createExchange, NoAnswerError } from './exchange.ts';
import { summaryText, tableRows } from './report.ts';
import { runConformance } from './run.ts';

interface ConformanceFlags {
  readonly apiKeyEnv: string;
  readonly model: string;
  readonly size?: string;
  readonly edits: boolean;
  readonly timeout: number;
  readonly json?: boolean;
}

const baseUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL, such as http://127.0.0.1:8080/v1', abort: true })
  .refine(isPlain, 'must hold no user, no password and no query; the key comes from OPENAI_API_KEY or --api-key-env')
  .transform((url) => url.replace(/\/+$/, ''));
const size = z.string().regex(/^[1-9]\d{1,3}x[1-9]\d{1,3}$/, 'must be a size such as 1024x1024');
/** `fetch` waits no longer for the head of an answer. */
const timeout = z.coerce
  .number('must be a number of seconds')
  .min(1, 'must be 1 or more')
  .max(300, 'must be at most 300');

/** Adds `conformance`. */
export function addConformance(program: Command): void {
  program
    .command('conformance')
    .description("compare a server with OpenAI's images API, and print which settings fit it")
    .argument(
      '<url>',
      'the base URL that a client is given, such as http://127.0.0.1:8080/v1',
      parseOption('URL', baseUrl),
    )
    .option('--api-key-env <name>', 'the environment variable with the key, if the server needs one', 'OPENAI_API_KEY')
    .option('--model <model>', 'the model that is asked for pictures', 'gpt-image-2')
    .option('--size <size>', 'their size; default: the smallest of the model', parseOption('--size', size))
    .option('--edits', 'try edits too, as by default', true)
    .option('--no-edits', 'try no edits')
    .option(
      '--timeout <seconds>',
      'the longest time for an answer, at most 300',
      parseOption('--timeout', timeout),
      300,
    )
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      '\nIt asks for pictures, in the lowest quality, and says how many at most before the first. No call that may have been billed is' +
        '\nsent again. The exit code is 1 where the server deviates or is not reached.' +
        '\n\nExample:\n  easel conformance http://127.0.0.1:8080/v1 --model gpt-image-2',
    )
    .action(async (url: string, flags: ConformanceFlags) => {
      process.exitCode = await conformance(url, flags);
    });
}

async function conformance(url: string, flags: ConformanceFlags): Promise<number> {
  const { apiKeyEnv, model, size = smallestSize(model), edits, timeout, json = false } = flags;
  const key = process.env[apiKeyEnv] || null;
  if (key === null && apiKeyEnv !== 'OPENAI_API_KEY') throw new UsageError(`--api-key-env: ${apiKeyEnv} is not set`);
  if (key !== null && !/^[\x21-\x7e]+$/.test(key)) {
    throw new UsageError(`--api-key-env: ${apiKeyEnv} must be visible ASCII characters, without spaces`);
  }
  const most = mostPictures(casesOf({ edits }));
  console.error(
    `asks ${url} for at most ${most} pictures by ${model}, ${size} at low quality; no call that may have been billed is sent again`,
  );
  const exchange = createExchange({ baseUrl: url, key, timeoutMs: timeout * 1000 });
  const rowOf = tableRows();
  const hide = (text: string) => (key === null ? text : text.replaceAll(key, '…'));
  try {
    const report = await runConformance({
      exchange,
      baseUrl: url,
      key,
      model,
      size,
      edits,
      onOutcome: (outcome) => json || console.log(hide(rowOf(outcome))),
    });
    console.log(hide(json ? JSON.stringify(report, null, 2) : `\n${summaryText(report)}`));
    return report.conforms ? 0 : EXIT_FAILED;
  } catch (error) {
    if (!(error instanceof NoAnswerError)) throw error;
    throw new CommandError(hide(`${url} is not reached: ${error.message}`));
  } finally {
    await exchange.close();
  }
}

function isPlain(text: string): boolean {
  const { username, password, search, hash } = new URL(text);
  return [username, password, search, hash].every((part) => part === '');
}

/** The smallest size of OpenAI's models, by OpenAI's model pages; of other models the one that most are made for. */
function smallestSize(model: string): string {
  // A multiple of 16, and at least 655,360 pixels.
  if (model.startsWith('gpt-image-2')) return '816x816';
  return model.startsWith('dall-e-2') ? '256x256' : '1024x1024';
}
