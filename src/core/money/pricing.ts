import type { Pricing, TokenPricing } from '../domain/model.ts';
import { type Cost, microdollarsToUsd, roundToMicrodollar, UNKNOWN_COST } from '../domain/money.ts';
import type { GenerationCall, TokenUsage } from '../ports/provider.ts';

/** Pixels of the picture size that the token counts of the catalog refer to. */
const REFERENCE_PIXELS = 1536 * 1024;

/**
 * Bytes of UTF-8 per text token, set low so that an estimate is too high rather than too low: a token of English text is about four bytes
 * (OpenAI's rule of thumb), one of Chinese about three.
 */
const BYTES_PER_TOKEN = 3;

/**
 * An upper bound of what a call will cost, by the prices of the catalog; `unknown` where the catalog has none.
 * Output tokens are taken to be proportional to the area of the picture.
 */
export function estimateCost({ model, prompt, size, quality }: GenerationCall): Cost {
  const { pricing } = model;
  if (pricing === null) return UNKNOWN_COST;
  if (pricing.kind === 'picture') return { usd: roundToMicrodollar(pricing.usd), basis: 'estimate' };
  const perReference = pricing.outputTokens[quality ?? 'auto'];
  if (perReference === undefined) return UNKNOWN_COST;
  const output = Math.ceil((perReference * size.width * size.height) / REFERENCE_PIXELS);
  const input = Math.ceil(Buffer.byteLength(prompt) / BYTES_PER_TOKEN);
  // Tokens times US dollars per million tokens are microdollars.
  return { usd: microdollarsToUsd(input * pricing.textInput + output * pricing.imageOutput), basis: 'estimate' };
}

/** What a call did cost, by the provider's token counts; the estimate where there are none or they are implausible. */
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

/** Some compatible servers report zero tokens, which would make their pictures free without notice. */
function isPlausible({ textInput, cachedTextInput, imageInput, output }: TokenUsage): boolean {
  return output > 0 && [textInput, cachedTextInput, imageInput, output].every((count) => count >= 0 && count < 1e9);
}
