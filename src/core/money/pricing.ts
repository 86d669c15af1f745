import type { Pricing, TokenPricing } from '../domain/model.ts';
import { type Cost, roundToMicrodollar, UNKNOWN_COST } from '../domain/money.ts';
import type { GenerationCall, TokenUsage } from '../ports/provider.ts';

/** The picture that the catalog's token counts are given for: 1536x1024. */
const REFERENCE_PIXELS = 1536 * 1024;

/**
 * A token of English text is about four bytes (OpenAI's rule of thumb), one of Chinese about three in UTF-8.
 * Three errs upwards for most text.
 */
const BYTES_PER_TOKEN = 3;

/** What the call will cost at most, by the catalog: output tokens grow with the area. `unknown` where the catalog has no price. */
export function estimateCost({ model, prompt, size, quality }: GenerationCall): Cost {
  const { pricing } = model;
  if (pricing === null) return UNKNOWN_COST;
  if (pricing.kind === 'picture') return { usd: roundToMicrodollar(pricing.usd), basis: 'estimate' };
  const perReference = pricing.outputTokens[quality ?? 'auto'];
  if (perReference === undefined) return UNKNOWN_COST;
  const output = Math.ceil((perReference * size.width * size.height) / REFERENCE_PIXELS);
  const input = Math.ceil(Buffer.byteLength(prompt) / BYTES_PER_TOKEN);
  return { usd: microdollarsToUsd(input * pricing.textInput + output * pricing.imageOutput), basis: 'estimate' };
}

/** What the call did cost, by the provider's own count of tokens; by estimate where it gave none that can be true. */
export function settleCost(call: GenerationCall, usage: TokenUsage | null): Cost {
  const { pricing } = call.model;
  if (!usage || !isPlausible(usage) || !isTokenPricing(pricing)) return estimateCost(call);
  const cached = Math.min(usage.cachedTextInput, usage.textInput);
  const sum =
    (usage.textInput - cached) * pricing.textInput +
    cached * (pricing.cachedTextInput ?? pricing.textInput) +
    usage.imageInput * pricing.imageInput +
    usage.output * pricing.imageOutput;
  return { usd: microdollarsToUsd(sum), basis: 'usage' };
}

function isTokenPricing(pricing: Pricing | null): pricing is TokenPricing {
  return pricing?.kind === 'tokens';
}

/** Servers that only resemble the dialect report zeros: a picture of no tokens would silently be one of no cost. */
function isPlausible({ textInput, cachedTextInput, imageInput, output }: TokenUsage): boolean {
  return output > 0 && [textInput, cachedTextInput, imageInput, output].every((count) => count >= 0 && count < 1e9);
}

/** From token counts times dollars per million tokens, to a millionth of a dollar. */
function microdollarsToUsd(microUsd: number): number {
  return roundToMicrodollar(microUsd / 1e6);
}
