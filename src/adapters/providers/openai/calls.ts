import { ProviderError } from '../../../core/domain/errors.ts';
import { sha256 } from '../../../core/domain/file-names.ts';
import type { OmittableParameter } from '../../../core/domain/model.ts';
import type { MaskSecrets } from '../../../core/domain/text/outside-text.ts';
import type { Clock } from '../../../core/ports/clock.ts';
import type { ProviderCalls } from '../../../core/ports/provider.ts';
import type { GuardedFetch } from '../../../security/ssrf-guard.ts';
import { openCallSignal } from '../call-signal.ts';
import { createPictureDownload } from '../picture-download.ts';
import type { Transport } from '../transport.ts';
import { readAnswer } from './answers/answer.ts';
import { createAnswersAtOnce } from './answers/answers-at-once.ts';
import { readHeaders } from './answers/response.ts';
import { type ConnectionSettings, createClient } from './client.ts';
import { classifyFault } from './faults.ts';
import { toFiles, toParameters } from './request.ts';

/** What the calls need to know of their provider: plain data. */
export interface CallSettings extends ConnectionSettings {
  /** Parameters that the server rejects, by their names on the wire; they are not sent. */
  readonly omit: readonly OmittableParameter[];
  /** Time limit of one call in milliseconds, from the first byte sent to the last byte received, while the process is awake. */
  readonly timeoutMs: number;
  /** Largest picture that is downloaded, in bytes. */
  readonly maxPictureBytes: number;
  /** True where the reason of an error may quote the prompt in the log. */
  readonly logPrompts: boolean;
}

export interface OpenAICallOptions extends CallSettings {
  readonly transport: Transport;
  /** Downloads pictures that a response gives as a URL. */
  readonly guard: GuardedFetch;
  /** Applied to all that is kept of an answer's texts. */
  readonly maskSecrets: MaskSecrets;
  readonly clock: Pick<Clock, 'now'>;
}

/** Large answers that one thread reads at the same time, and the longest that another waits for them, in milliseconds. */
const LARGE_AT_ONCE = 8;
const LARGE_WAIT_MS = 3_000;
const LARGE_BYTES = 1024 * 1024;

/** True for an answer that is there as a whole, and is large. A stream, and one that is written as it is made, may take a minute. */
function isLarge({ headers }: Response): boolean {
  return Number(headers.get('content-length')) >= LARGE_BYTES;
}

/** The calls of OpenAI's image API, or of any server compatible with it, through the official SDK. Each `generate` sends one request. */
export function createOpenAICalls(options: OpenAICallOptions): ProviderCalls {
  const { name, timeoutMs, transport, guard, maxPictureBytes, maskSecrets, logPrompts, clock } = options;
  const client = createClient(options);
  const { baseURL } = client;
  const takePlace = createAnswersAtOnce(LARGE_AT_ONCE, LARGE_WAIT_MS);

  return {
    async generate(call, { cancelled, abandoned, inputBytes, omit = [], onPartial }) {
      const parameters = toParameters(call, [...options.omit, ...omit]);
      using ends = openCallSignal({ cancelled, abandoned, timeoutMs });
      let response: Response | null = null;
      try {
        const { signal } = ends;
        response = await (call.edit
          ? client.images.edit({ ...parameters, ...toFiles(call.edit, inputBytes) }, { signal })
          : client.images.generate(parameters, { signal })
        ).asResponse();
        ends.answerBegins();
        using _place = isLarge(response) ? await takePlace() : undefined;
        const body = transport.read(response.body);
        const reading = { baseURL, maskSecrets, onPartial: onPartial ?? (() => {}) };
        const answer = await readAnswer({ headers: response.headers, body }, reading);
        const headers = readHeaders(response, clock.now(), maskSecrets);
        if (answer === null) {
          throw new ProviderError(
            'empty',
            `${name} answered ${headers.httpStatus} without a readable picture`,
            headers,
          );
        }
        const { picture, ...report } = answer;
        return picture instanceof URL
          ? { url: picture.href, ...report, ...headers }
          : { bytes: picture, sha256: sha256(picture), ...report, ...headers };
      } catch (error) {
        if (error instanceof ProviderError) throw error;
        const { endedBy } = ends;
        const hiddenPrompt = logPrompts ? null : call.prompt;
        const asked = { isEdit: call.edit !== undefined, parameters: Object.keys(parameters) };
        const context = { name, maskSecrets, hiddenPrompt, now: clock.now(), endedBy, response, asked };
        throw classifyFault(error, context);
      }
    },

    download: createPictureDownload({
      name,
      guard,
      baseURL,
      keyHeader: keyHeader(options),
      maxBytes: maxPictureBytes,
      maskSecrets,
      now: () => clock.now(),
    }),

    async shutdownDates(signal) {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      try {
        // Called once a day, so the connection is not kept open.
        const options = { signal: limited, headers: { connection: 'close' } };
        const response = await client.models.list(options).asResponse();
        const chunks = await Array.fromAsync(transport.read(response.body));
        return shutdownDatesIn(JSON.parse(Buffer.concat(chunks).toString()));
      } catch (error) {
        const call = { endedBy: null, response: null, asked: null };
        throw classifyFault(error, { name, maskSecrets, hiddenPrompt: null, now: clock.now(), ...call });
      }
    },
  };
}

/** The dates in a list of models; those that cannot be read are passed over. */
function shutdownDatesIn(list: unknown): ReadonlyMap<string, string> {
  const { data = [] } = (list ?? {}) as { data?: unknown };
  const dates = new Map<string, string>();
  for (const entry of [data].flat()) {
    const { id, shutdown_date: date } = (entry ?? {}) as Record<string, unknown>;
    if (typeof id !== 'string' || typeof date !== 'string') continue;
    if (/^\d{4}-\d{2}-\d{2}/.test(date)) dates.set(id, date.slice(0, 10));
  }
  return dates;
}

/** As the SDK sends the key. */
function keyHeader({ apiKey, azureApiVersion }: ConnectionSettings): Readonly<Record<string, string>> | null {
  if (apiKey === null) return null;
  return azureApiVersion === null ? { authorization: `Bearer ${apiKey}` } : { 'api-key': apiKey };
}
