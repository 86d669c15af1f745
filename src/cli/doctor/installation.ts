import type { Findings } from '../../composition/checkup/finding.ts';
import { checkProxySettings, checkSharp } from '../../composition/checkup/machine.ts';
import { checkProviders } from '../../composition/checkup/providers.ts';
import { checkDatabase, checkMedia } from '../../composition/checkup/storage.ts';
import { type Config, readCommandConfig } from '../../config/config.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Looks at what a service with these settings would work with on this machine. Raises `ConfigError` for wrong settings. */
export async function* examineInstallation(env: Environment): Findings {
  const config = readCommandConfig(env);
  if (config.warnings.length === 0) yield { subject: 'settings', verdict: 'ok', detail: describeSettings(config) };
  for (const detail of config.warnings) yield { subject: 'settings', verdict: 'warning', detail };
  yield* await checkProviders(config);
  yield await checkMedia(config);
  yield await checkDatabase(config);
  yield await checkSharp();
  yield checkProxySettings(config);
}

function describeSettings({ server, keys, providers }: Config): string {
  const names = providers.map(({ name }) => name).join(', then ');
  const callers = keys.file === null && keys.fixed.length === 0 ? 'without API keys' : 'with API keys';
  return `listens on ${server.host}:${server.port} ${callers}; pictures by ${names}`;
}
