import { PROVIDER_STATES, type ProviderState } from '../domain/provider-state.ts';

/**
 * The states of the providers as several processes see them, put together: of each provider the worst, of equal ones the newest, with the
 * latest error of all. `now` is in milliseconds since 1970. The first process decides limits, model and order; a provider that only others
 * have comes last.
 */
export function mergeProviders(
  processes: readonly (readonly ProviderState[])[],
  now: number,
): readonly ProviderState[] {
  const byName = Map.groupBy(
    processes.flat().filter(({ state }) => PROVIDER_STATES.includes(state)),
    ({ name }) => name,
  );
  return [...byName.values()].map((all) => {
    const current = all.map((one) => withoutPast(one, now));
    const [first, ...others] = current as [ProviderState, ...ProviderState[]];
    const { state, since, until } = others.reduce((worst, one) => (isWorse(one, worst) ? one : worst), first);
    const lastError = current
      .map((one) => one.lastError)
      .reduce((latest, error) => (latest === null || (error !== null && error.at > latest.at) ? error : latest));
    return { ...first, state, since, until, lastError };
  });
}

function isWorse(one: ProviderState, other: ProviderState): boolean {
  const difference = PROVIDER_STATES.indexOf(one.state) - PROVIDER_STATES.indexOf(other.state);
  return difference > 0 || (difference === 0 && one.since > other.since);
}

/** What another process said some seconds ago, as it is now: a pause may have ended, a probe have become due. */
function withoutPast(one: ProviderState, now: number): ProviderState {
  if (one.until === null || Date.parse(one.until) > now) return one;
  return one.state === 'paused' ? { ...one, state: 'closed', since: one.until, until: null } : { ...one, until: null };
}
