import type { Provider } from '../../../src/core/ports/provider.ts';

/** A provider without models, whose calls do what the test says. */
export function createFakeProvider(generate: Provider['generate']): Provider {
  return { name: 'fake', generate, model: () => null } as unknown as Provider;
}
