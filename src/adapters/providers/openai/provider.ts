import { TRAINED_ALGORITHMIC_MEDIA } from '../../../core/domain/digital-source.ts';
import { ProviderError } from '../../../core/domain/errors.ts';
import { type Model, OMITTABLE_PARAMETERS, type OmittableParameter } from '../../../core/domain/model.ts';
import { CALL_OPTIONS, type CallOptionName } from '../../../core/domain/request.ts';
import type { Clock } from '../../../core/ports/clock.ts';
import type { Provider, ProviderCalls } from '../../../core/ports/provider.ts';
import { STREAMING_PARAMETERS } from './faults.ts';

export interface OpenAIProviderOptions {
  /** The name in `PROVIDERS`. */
  readonly name: string;
  /** The catalog row of a model id, or null where this provider does not offer the model. */
  readonly model: (id: string) => Model | null;
  /** Parameters that the server rejects, by their names on the wire. */
  readonly omit: readonly OmittableParameter[];
  /** False for a server without an endpoint for edits. */
  readonly edits: boolean;
  /** False for a server that cannot stream. */
  readonly streaming: boolean;
  /** See `Provider.controlSequences`. */
  readonly controlSequences: readonly string[];
  /** Reaches the server: `createOpenAICalls`, on this thread or another. */
  readonly calls: ProviderCalls;
  readonly clock: Pick<Clock, 'monotonic'>;
}

/** What a server can refuse without being asked again for a while. */
type Refusable = 'edits' | 'streaming' | OmittableParameter;

/**
 * A refusal is remembered for an hour in this process, whatever thread made the call: servers are updated, and asking once more costs one
 * refused call, which is not billed.
 */
const REMEMBERED_MS = 3_600_000;

/** The parameter of each option, by its name on the wire. */
const OPTION_PARAMETERS: Readonly<Record<CallOptionName, OmittableParameter>> = {
  moderation: 'moderation',
  compression: 'output_compression',
  inputFidelity: 'input_fidelity',
  safetyIdentifier: 'safety_identifier',
};

/**
 * A provider for OpenAI's image API, or any server compatible with it. What the server has refused as something that it does not have
 * (edits, streaming, a parameter) is not asked of it again for an hour: its models then lack it.
 */
export function createOpenAIProvider(options: OpenAIProviderOptions): Provider {
  const { name, model, omit, edits, streaming, controlSequences, calls, clock } = options;
  const refused = new Map<Refusable, number>();
  const lacks = (what: Refusable) =>
    clock.monotonic() - (refused.get(what) ?? Number.NEGATIVE_INFINITY) < REMEMBERED_MS;
  const lacksParameter = (parameter: OmittableParameter) => omit.includes(parameter) || lacks(parameter);

  function remember({ fault, parameter }: ProviderError): void {
    if (fault === 'edits_refused') refused.set('edits', clock.monotonic());
    if (fault !== 'parameter_refused' || parameter === null) return;
    const what = STREAMING_PARAMETERS.has(parameter)
      ? 'streaming'
      : OMITTABLE_PARAMETERS.find((known) => known === parameter);
    if (what !== undefined) refused.set(what, clock.monotonic());
  }

  return {
    name,
    model(id) {
      const row = model(id);
      if (row === null) return null;
      const taken = CALL_OPTIONS.filter(
        (option) => row.options.includes(option) && !lacksParameter(OPTION_PARAMETERS[option]),
      );
      return {
        ...row,
        ...((!edits || lacks('edits')) && { edits: null }),
        ...((!streaming || lacks('streaming')) && { partialImages: 0 }),
        options: taken,
      };
    },
    digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
    supportsSize: !omit.includes('size'),
    controlSequences,
    async generate(call, options) {
      // The call may have been planned before it was known what the server refuses.
      if (call.edit && lacks('edits')) throw new ProviderError('edits_refused', `${name} has no endpoint for edits`);
      const partialImages = streaming && !lacks('streaming') ? call.partialImages : 0;
      try {
        return await calls.generate(
          { ...call, partialImages },
          { ...options, omit: OMITTABLE_PARAMETERS.filter(lacks) },
        );
      } catch (error) {
        if (error instanceof ProviderError) remember(error);
        throw error;
      }
    },
    download: calls.download,
    shutdownDates: calls.shutdownDates,
  };
}
