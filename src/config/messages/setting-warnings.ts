/** Variables that change nothing although they look like settings. Easel starts all the same, and says so. */

import { PROVIDER_VARIABLE, providerPrefix, providerSettings } from '../provider-settings.ts';
import { settings } from '../settings.ts';
import { nearestName } from './near-names.ts';

const SUFFIXES = Object.keys(providerSettings);

/**
 * A line for each variable in `names` that is not read: misspelt settings, and those of providers that `providers` does not name. The
 * environment holds the variables of many programs, so only what is close to a setting's name counts.
 */
export function settingWarnings(names: readonly string[], providers: readonly string[]): readonly string[] {
  const own = providers.flatMap((provider) => SUFFIXES.map((suffix) => `${providerPrefix(provider)}${suffix}`));
  const known = [...Object.keys(settings), ...own];
  const prefixes = providers.map(providerPrefix);
  return names
    .filter((name) => !known.includes(name))
    .flatMap((name) => {
      const nearest = nearestName(name, known);
      if (nearest !== null) return [`${name} is not a setting; is ${nearest} meant?`];
      if (prefixes.some((prefix) => name.startsWith(prefix) && !PROVIDER_VARIABLE.test(name))) return [];
      return providerWarning(name) ?? [];
    });
}

/** Why a variable whose name begins with `PROVIDER_` is not read; null for other names. */
function providerWarning(name: string): string | null {
  const [, provider] = PROVIDER_VARIABLE.exec(name) ?? [];
  if (provider !== undefined) {
    const written = provider.toLowerCase().replaceAll('_', '-');
    return `${name} is not used: PROVIDERS does not name ${written}`;
  }
  if (!/^PROVIDER_[A-Z0-9]+_/.test(name)) return null;
  const nearest = nearestSuffix(name);
  return nearest === null
    ? `${name} is not a setting; settings of a provider end in ${SUFFIXES.join(', ')}`
    : `${name} is not a setting; is ${nearest} meant?`;
}

/** The name with the suffix that its end is likely a misspelling of; null where it is none. */
function nearestSuffix(name: string): string | null {
  const words = name.split('_');
  for (let at = 2; at < words.length; at += 1) {
    const suffix = nearestName(words.slice(at).join('_'), SUFFIXES);
    if (suffix !== null) return [...words.slice(0, at), suffix].join('_');
  }
  return null;
}
