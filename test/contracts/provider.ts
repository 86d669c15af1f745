import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProviderError, type ProviderFault } from '../../src/core/domain/errors.ts';
import { formatSize } from '../../src/core/domain/geometry.ts';
import type { GenerationCall, Provider } from '../../src/core/ports/provider.ts';
import { bytesOf, colouredInput } from '../support/edit-inputs.ts';
import { callOptions, pictureIn } from '../support/generation.ts';

/** What one call sent, by the names of the port; undefined where the parameter was not sent. */
export type SentParameters = Readonly<
  Record<'model' | 'prompt' | 'size' | 'quality' | 'style' | 'background' | 'format', unknown>
>;

/** A call that fails in a known way, and the provider to make it with. */
interface FailingCall {
  readonly provider: Provider;
  readonly call: GenerationCall;
}

export interface ProviderFixture {
  readonly provider: Provider;
  /** A call that succeeds, for a model that the provider offers. */
  readonly call: GenerationCall;
  /** Must not appear in any error, for example an API key; null where the provider has none. */
  readonly secret: string | null;
  /** What the calls so far have sent, in their order; null where nothing leaves the process. */
  sent(): readonly SentParameters[] | null;
  /** The SHA-256 of each picture that each call has sent, in order, the mask last; null where nothing leaves the process. */
  sentPictures(): readonly (readonly string[])[] | null;
  /** Makes the next call last until it is aborted. The promise resolves once that call is under way. */
  hold(): Promise<void>;
  /** Resolves once the held call no longer occupies anything outside this process. */
  released(): Promise<void>;
  /** Prepares a call that ends in `fault`, one of those that `describeProvider` was given. */
  fail(fault: ProviderFault): FailingCall;
  dispose(): Promise<void>;
}

/** Whether a call that ended in this fault may have been billed. */
const OUTCOMES: Readonly<Record<ProviderFault, ProviderError['outcome']>> = {
  refused: 'failed',
  rejected: 'failed',
  account: 'failed',
  rate_limited: 'failed',
  overloaded: 'failed',
  gateway: 'unknown',
  parameter_refused: 'failed',
  edits_refused: 'failed',
  unreachable: 'failed',
  interrupted: 'unknown',
  timeout: 'unknown',
  empty: 'unknown',
  cancelled: 'cancelled',
};

/** A fault that the fixture can bring about, and the HTTP status that the error must carry (null: there was no answer). */
type FaultCase = readonly [fault: ProviderFault, httpStatus: number | null];

/** What differs between providers and decides which tests apply. */
export interface ProviderTraits {
  /** The faults that its calls can end in. */
  readonly faults: readonly FaultCase[];
  /** The dates that `shutdownDates` announces; null where the provider does not have this method. */
  readonly shutdownDates: ReadonlyMap<string, string> | null;
}

/** What every provider promises; each adapter runs it with a fixture and traits of its own. */
export function describeProvider(
  name: string,
  createFixture: () => Promise<ProviderFixture>,
  { faults, shutdownDates }: ProviderTraits,
): void {
  describe(`${name} keeps the contract of a provider`, () => {
    let fixture: ProviderFixture;
    let provider: Provider;
    let call: GenerationCall;

    beforeEach(async () => {
      fixture = await createFixture();
      ({ provider, call } = fixture);
    });

    afterEach(() => fixture.dispose());

    const generate = async (changes: Partial<GenerationCall> = {}, options = callOptions()) =>
      pictureIn(await provider.generate({ ...call, ...changes }, options));

    describe('model', () => {
      it('returns the row of a model, with its own id', () => {
        const model = provider.model(call.model.id);
        expect(model).toEqual(call.model);
        expect(model?.promptLimit).toBeGreaterThan(0);
      });

      it.each(['no-such-model', '', ' ', '__proto__', 'constructor'])('is null for an unknown model: "%s"', (id) => {
        expect(provider.model(id)).toBeNull();
      });
    });

    describe('generate', () => {
      it('returns a picture that decodes and has the size that was sent', async () => {
        const { bytes } = await generate();
        const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
        expect(data.length).toBe(info.width * info.height * info.channels);
        if (provider.supportsSize) expect({ width: info.width, height: info.height }).toEqual(call.size);
      });

      it('gives the SHA-256 of the bytes', async () => {
        const { bytes, sha256 } = await generate();
        expect(sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
      });

      it('returns every format that the model lists', async () => {
        const formats = call.model.formats ?? [];
        const made = await Promise.all(formats.map(async (format) => (await generate({ format })).bytes));
        const found = await Promise.all(made.map(async (bytes) => (await sharp(bytes).metadata()).format));
        expect(found).toEqual(formats);
      });

      it('reports usage, status and pause as plain figures, or null', async () => {
        const picture = await generate();
        const figure = (value: unknown) => value === null || (Number.isFinite(value) && Number(value) >= 0);
        for (const tokens of Object.values(picture.usage ?? {})) expect(tokens).toSatisfy(Number.isInteger);
        expect(picture.pauseMs).toSatisfy(figure);
        expect(picture.httpStatus).toSatisfy((status) => status === null || (status >= 200 && status < 300));
        for (const text of [picture.revisedPrompt, picture.providerRequestId]) {
          expect(text).toSatisfy((value) => value === null || (typeof value === 'string' && value !== ''));
        }
      });

      it('makes one call, and sends the parameters that are not null and no others', async () => {
        const { model } = call;
        const [quality = null, style = null, background = null, format = null] = [
          model.qualities?.at(-1),
          model.styles?.at(-1),
          model.backgrounds?.at(-1),
          model.formats?.at(-1),
        ];
        const optional = { quality, style, background, format };
        const none = { quality: null, style: null, background: null, format: null };
        const alone = Object.entries(optional).map(([parameter, value]) => ({ ...none, [parameter]: value }));
        const changes = [none, optional, ...alone];
        for (const change of changes) await generate(change);
        const always = {
          model: model.id,
          prompt: call.prompt,
          size: provider.supportsSize ? formatSize(call.size) : undefined,
        };
        const expected = changes.map((change) => ({
          ...always,
          ...Object.fromEntries(Object.entries(change).map(([key, value]) => [key, value ?? undefined])),
        }));
        const sent = fixture.sent();
        if (sent !== null) expect(sent).toEqual(expected);
      });

      it('starts from pictures where the model edits, which it sends as they came, and needs them anew each time', async () => {
        if (call.model.edits === null) return;
        const inputs = [await colouredInput({ r: 200, g: 40, b: 40 }), await colouredInput({ r: 40, g: 40, b: 200 })];
        const mask = await colouredInput({ r: 0, g: 0, b: 0, alpha: 0 });
        const edit = { inputs: inputs.map(({ input }) => input), mask: mask.input };
        for (const _ of [1, 2]) {
          const { bytes } = await generate({ edit }, callOptions({ inputBytes: bytesOf(...inputs, mask) }));
          expect((await sharp(bytes).metadata()).width).toBeGreaterThan(0);
        }
        const names = [...inputs, mask].map(({ input }) => input.sha256);
        const sent = fixture.sentPictures();
        if (sent !== null) expect(sent).toEqual([names, names]);
      });

      it('does not start an edit whose bytes are missing', async () => {
        const { input } = await colouredInput({ r: 200, g: 40, b: 40 });
        const failure = await failureOf(generate({ edit: { inputs: [input], mask: null } }));
        expect(failure).toMatchObject({ fault: 'rejected', outcome: 'failed' });
        expect(fixture.sent() ?? []).toEqual([]);
      });

      it('passes partial pictures in order where the model streams, and returns the same picture', async () => {
        const { bytes } = await generate();
        const partials: { readonly bytes: Uint8Array; readonly index: number }[] = [];
        const partialImages = Math.min(2, call.model.partialImages);
        const onPartial = (partial: Uint8Array, index: number) => void partials.push({ bytes: partial, index });
        const streamed = await generate({ partialImages }, callOptions({ onPartial }));
        expect(Buffer.compare(streamed.bytes, bytes)).toBe(0);
        expect(partials).toHaveLength(partialImages);
        expect(partials.map(({ index }) => index)).toEqual(partials.map((_, index) => index));
        for (const partial of partials) await sharp(partial.bytes).stats();
      });

      it.each(SIGNALS)('ends as cancelled without sending anything when `%s` was aborted before', async (name) => {
        const options = callOptions({ [name]: AbortSignal.abort(new Error('gone')) });
        expect(await failureOf(generate({}, options))).toMatchObject(CANCELLED);
        expect(fixture.sent() ?? []).toEqual([]);
      });

      it.each(SIGNALS)('ends as cancelled when `%s` is aborted during the call', async (name) => {
        const controller = new AbortController();
        const underWay = fixture.hold();
        const failure = failureOf(generate({}, callOptions({ [name]: controller.signal })));
        await underWay;
        controller.abort(new Error('gone'));
        expect(await failure).toMatchObject(CANCELLED);
        await fixture.released();
      });

      it('does not end another call when one is cancelled', async () => {
        const controller = new AbortController();
        const underWay = fixture.hold();
        const cancelled = failureOf(generate({}, callOptions({ cancelled: controller.signal })));
        await underWay;
        const other = generate();
        controller.abort();
        expect(await cancelled).toMatchObject(CANCELLED);
        expect((await other).bytes.length).toBeGreaterThan(0);
      });

      it('ignores a signal that is aborted after the picture was returned', async () => {
        const controller = new AbortController();
        const { signal } = controller;
        const { bytes } = await generate({}, { cancelled: signal, abandoned: signal });
        controller.abort();
        expect(Buffer.compare((await generate()).bytes, bytes)).toBe(0);
      });

      it.each(faults)('raises a ProviderError for the fault %s, with status %s', async (fault, httpStatus) => {
        const failing = fixture.fail(fault);
        const error = await failureOf(failing.provider.generate(failing.call, callOptions()));
        expect(error).toMatchObject({ fault, outcome: OUTCOMES[fault], httpStatus });
        expect(error.message).not.toBe('');
        expect(error.retryAfterMs).toSatisfy((ms) => ms === null || ms >= 0);
        if (fixture.secret !== null) expect(everythingIn(error)).not.toContain(fixture.secret);
      });

      it('makes the next picture after a fault', async () => {
        for (const [fault] of faults) {
          const failing = fixture.fail(fault);
          await failureOf(failing.provider.generate(failing.call, callOptions()));
        }
        expect((await generate()).bytes.length).toBeGreaterThan(0);
      });
    });

    describe('shutdownDates', () => {
      if (shutdownDates === null) {
        it('is absent where the provider announces no dates', () => {
          expect(provider.shutdownDates).toBeUndefined();
        });
        return;
      }

      it('returns dates (YYYY-MM-DD) by model id', async () => {
        const dates = await provider.shutdownDates?.(new AbortController().signal);
        expect(dates).toEqual(shutdownDates);
        for (const date of dates?.values() ?? []) expect(date).toMatch(/^\d{4}-\d{2}-\d{2}$/);
      });

      it('ends when its signal is aborted', async () => {
        await expect(provider.shutdownDates?.(AbortSignal.abort())).rejects.toThrow();
      });
    });
  });
}

const SIGNALS = ['cancelled', 'abandoned'] as const;
const CANCELLED = { fault: 'cancelled', outcome: 'cancelled', httpStatus: null };

/** The error that the call raises, which must be a `ProviderError`. */
async function failureOf(generated: Promise<unknown>): Promise<ProviderError> {
  const error = await generated.then(
    () => 'no error',
    (raised: unknown) => raised,
  );
  expect(error).toBeInstanceOf(ProviderError);
  return error as ProviderError;
}

/** Whatever a log line could print of an error: message, stack, own properties and causes. */
function everythingIn(error: unknown): string {
  if (!(error instanceof Error)) return JSON.stringify(error) ?? '';
  return [error.message, error.stack, JSON.stringify(error), everythingIn(error.cause)].join('\n');
}
