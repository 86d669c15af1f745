import type { Cost } from './image.ts';
import type { GenerationCall, TokenUsage } from './ports.ts';

/** The picture that the catalog's token counts are given for: 1536x1024. */
const REFERENCE_PIXELS = 1536 * 1024;

/** A token of English text is about four characters (OpenAI's rule of thumb); three errs upwards for other scripts. */
const CHARACTERS_PER_TOKEN = 3;

/** The cost of what nobody has a price for. */
export const UNKNOWN_COST: Cost = { usd: null, basis: 'unknown' };

/** What the call will cost at most, by the catalog: output tokens grow with the area. `unknown` where the catalog has no price. */
export function estimateCost({ model, prompt, size, quality }: GenerationCall): Cost {
  const { pricing } = model;
  const perReference = pricing?.outputTokens[quality ?? 'auto'];
  if (!pricing || perReference === undefined) return UNKNOWN_COST;
  const output = Math.ceil((perReference * size.width * size.height) / REFERENCE_PIXELS);
  const input = Math.ceil(prompt.length / CHARACTERS_PER_TOKEN);
  return { usd: dollars(input * pricing.textInput + output * pricing.imageOutput), basis: 'estimate' };
}

/** What the call did cost, by the provider's own count of tokens; by estimate where it gave none. */
export function settleCost(call: GenerationCall, usage: TokenUsage | null): Cost {
  const { pricing } = call.model;
  if (!pricing || !usage) return estimateCost(call);
  const cached = pricing.cachedTextInput ?? pricing.textInput;
  const sum =
    (usage.textInput - usage.cachedTextInput) * pricing.textInput +
    usage.cachedTextInput * cached +
    usage.imageInput * pricing.imageInput +
    usage.output * pricing.imageOutput;
  return { usd: dollars(sum), basis: 'usage' };
}

/** Two sums as one; what is not known cannot be added up. */
export function addCosts(a: Cost, b: Cost): Cost {
  if (a.usd === null || b.usd === null) return UNKNOWN_COST;
  return { usd: roundMicro(a.usd + b.usd), basis: a.basis === 'usage' && b.basis === 'usage' ? 'usage' : 'estimate' };
}

/** From token counts times dollars per million tokens, to a millionth of a dollar. */
function dollars(microdollars: number): number {
  return roundMicro(microdollars / 1e6);
}

function roundMicro(usd: number): number {
  return Math.round(usd * 1e6) / 1e6;
}
