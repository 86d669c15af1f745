import { describe, expect, it } from 'vitest';
import { ALGORITHMIC_MEDIA } from '../../../src/core/domain/digital-source.ts';
import type { DownloadedPicture, GeneratedPicture, Provider } from '../../../src/core/ports/provider.ts';
import { wrapProvider } from '../../../src/core/ports/provider.ts';

const DATES = new Map([['gpt-image-2', '2027-01-01']]);

/** Works only while its methods are called on it. */
class ClassProvider implements Provider {
  readonly name = 'class';
  readonly digitalSourceType = ALGORITHMIC_MEDIA;
  readonly supportsSize = false;
  readonly controlSequences = ['/imagine'];
  private readonly dates = DATES;
  private readonly calls: string[] = [];

  model(): null {
    this.calls.push('model');
    return null;
  }

  async generate(): Promise<GeneratedPicture> {
    throw new Error(`generate, after ${this.calls.join()}`);
  }

  async download(url: string): Promise<DownloadedPicture> {
    throw new Error(`download of ${url}, after ${this.calls.join()}`);
  }

  async shutdownDates() {
    return this.dates;
  }
}

const { signal } = new AbortController();
const options = { cancelled: signal, abandoned: signal };
const call = {} as Parameters<Provider['generate']>[0];

describe('wrapProvider', () => {
  it('keeps what is not replaced, of a provider written as a class too', async () => {
    const wrapped = wrapProvider(new ClassProvider(), {});
    expect(wrapped).toMatchObject({
      name: 'class',
      digitalSourceType: ALGORITHMIC_MEDIA,
      supportsSize: false,
      controlSequences: ['/imagine'],
    });
    expect(wrapped.model('x')).toBeNull();
    await expect(wrapped.generate(call, options)).rejects.toThrow('generate, after model');
    await expect(wrapped.download('x', { signal, timeoutMs: 1 })).rejects.toThrow('download of x, after model');
    expect(await wrapped.shutdownDates?.(signal)).toBe(DATES);
  });

  it('replaces methods', async () => {
    const replaced = new Error('replaced');
    const wrapped = wrapProvider(new ClassProvider(), { generate: () => Promise.reject(replaced) });
    await expect(wrapped.generate(call, options)).rejects.toBe(replaced);
    expect(wrapped.model('x')).toBeNull();
  });

  it('has no shutdown dates where the provider has no list of them', () => {
    const { name, digitalSourceType, supportsSize, controlSequences, model, generate, download } = new ClassProvider();
    const without = { name, digitalSourceType, supportsSize, controlSequences, model, generate, download };
    expect(wrapProvider(without, {})).not.toHaveProperty('shutdownDates');
  });
});
