import { formatUsd } from '../ui/format.ts';

interface RetryCost {
  readonly usd: number | null;
  readonly call: boolean;
  readonly mayBePaidAlready: boolean;
}

/** What a retry does and what it may cost, in sentences. */
export function retryWords({ usd, call, mayBePaidAlready }: RetryCost): readonly string[] {
  if (!call) {
    return [
      mayBePaidAlready
        ? 'Finishes the picture that was paid for; costs nothing.'
        : 'Finishes without a call to a provider; costs nothing.',
    ];
  }
  const cost =
    usd === null
      ? 'Calls a provider again. What that costs is not known.'
      : usd === 0
        ? 'Calls a provider again; by the price list this costs nothing.'
        : `Calls a provider again. This may cost up to ${formatUsd(usd)}.`;
  return mayBePaidAlready ? [cost, 'An earlier call may be billed already; this one would be billed besides.'] : [cost];
}
