import { describe, expect, it } from 'vitest';
import { startEasel } from '../../support/app/easel.ts';

interface Answer {
  readonly days: readonly object[];
  readonly code: string;
  readonly errors: readonly { readonly path: string }[];
}

describe('GET /usage', () => {
  it('gives the days that were asked for, with what was spent, and names what is wrong with a period', async () => {
    await using easel = await startEasel();
    await easel.post({ prompt: 'a lighthouse' });
    const today = new Date(easel.clock.now()).toISOString().slice(0, 10);
    const usage = async (query: string) => {
      const response = await easel.get(`/usage${query}`);
      return { status: response.status, body: (await response.json()) as Answer };
    };
    const { body } = await usage(`?from=2026-11-01&to=2026-11-03`);
    expect(body.days).toEqual(
      ['2026-11-03', '2026-11-02', '2026-11-01'].map((day) => ({ day, model: null, key: null, images: 0, usd: 0 })),
    );
    const all = (await usage('')).body.days;
    expect(all).toHaveLength(30);
    expect(all[0]).toMatchObject({ day: today, model: 'gpt-image-2', key: 'anonymous', images: 1 });

    const tomorrow = new Date(easel.clock.now() + 86_400_000).toISOString().slice(0, 10);
    for (const [query, path] of [
      ['?from=2026-02-30', 'from'],
      ['?from=1.11.2026', 'from'],
      ['?to=2026-11-01T00:00:00Z', 'to'],
      ['?from=', 'from'],
      ['?from=0001-01-01', 'from'],
      ['?from=2026-11-03&to=2026-11-01', 'from'],
      ['?from=2020-01-01', 'from'],
      [`?to=${tomorrow}`, 'to'],
      ['?from=2026-11-01&days=3', 'days'],
      ['?days=0', 'days'],
      ['?days=367', 'days'],
      ['?days=1.5', 'days'],
      ['?from=2026-11-01&from=2026-11-02', 'from'],
      ['?since=2026-11-01', 'since'],
    ]) {
      const refused = await usage(query ?? '');
      expect([query, refused.status, refused.body.code]).toEqual([query, 400, 'invalid_request']);
      expect([query, refused.body.errors.map((error) => error.path)]).toEqual([query, [path]]);
    }
  });
});
