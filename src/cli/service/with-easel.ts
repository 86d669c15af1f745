import type { Address } from './address.ts';
import type { Work } from './session.ts';

/**
 * Runs `work` on the service at `address`, or, where that is null, on one in this process. Resolves to the exit code that `work` gives,
 * or, after SIGINT or SIGTERM, to 130; standard error then says what was paid. A second signal ends the process at once.
 */
export async function withEasel(address: Address | null, work: Work): Promise<number> {
  // Loaded here, not with the command line: `--help` needs none of it. Signals are watched first, as the service takes a while to load.
  const { watchSignals } = await import('./signals.ts');
  using signals = watchSignals();
  if (address !== null) {
    const { withRunningService } = await import('./running.ts');
    return await withRunningService(address, work, signals);
  }
  const { withEmbeddedService } = await import('./embedded.ts');
  return await withEmbeddedService(work, signals);
}
