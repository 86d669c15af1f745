import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { Cost, TokenUsage } from '../../../src/core/domain/money.ts';
import { CATALOG, unlistedModel } from '../../../src/core/models/catalog.ts';
import { type Costs, createCosts } from '../../../src/core/money/costs.ts';
import type { PricedCall } from '../../../src/core/money/pricing.ts';
import type { RecordStore } from '../../../src/core/ports/record-store.ts';
import { startEasel } from '../../support/app/easel.ts';
import { openRecords } from '../../support/app/records.ts';
import { anInput } from '../../support/edit-inputs.ts';
import { picture } from '../../support/openai/answers.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const RESERVED: Cost = { usd: 0.5, basis: 'estimate' };

function call(overrides: Partial<PricedCall> & { readonly id?: string } = {}): PricedCall {
  const { id = 'gpt-image-2', ...more } = overrides;
  const model = CATALOG.get(id) ?? unlistedModel(id);
  return { model, prompt: '', size: { width: 1024, height: 1024 }, quality: 'high', partialImages: 0, ...more };
}

function took(output: number): TokenUsage {
  return { textInput: 0, imageInput: 0, cachedInput: 0, output };
}

/** Runs `use` with costs on empty records, and gives what was logged. */
async function withCosts(use: (costs: Costs, records: RecordStore) => Promise<void>): Promise<readonly string[]> {
  await using folder = await temporaryFolder();
  const log: string[] = [];
  const records = openRecords(folder.path);
  await use(
    createCosts({ records, log: pino({ base: null }, { write: (line: string) => void log.push(line) }) }),
    records,
  );
  await records.close();
  return log;
}

describe('what calls took', () => {
  it('raises later estimates of calls of the same model, quality and size, and of no other', async () => {
    const log = await withCosts(async (costs) => {
      const others = [
        call({ id: 'gpt-image-2.5-flare' }),
        call({ quality: 'auto' }),
        call({ size: { width: 1024, height: 1040 } }),
      ];
      const before = await Promise.all(others.map((other) => costs.estimate(other)));
      expect(await costs.settle(call(), took(8_000), RESERVED)).toEqual({ usd: 0.24, basis: 'usage' });
      expect(await costs.estimate(call())).toEqual({ usd: 0.24, basis: 'estimate' });
      expect(await costs.estimate(call({ prompt: 'abc', partialImages: 2 }))).toEqual({
        usd: 0.240005,
        basis: 'estimate',
      });
      expect(await Promise.all(others.map((other) => costs.estimate(other)))).toEqual(before);
    });
    expect(log).toEqual([expect.stringContaining('"output":8000,"bound":7024')]);
  });

  it('counts a call that named no quality as one for auto', async () => {
    await withCosts(async (costs) => {
      await costs.settle(call({ quality: null }), took(8_000), RESERVED);
      expect(await costs.estimate(call({ quality: 'auto' }))).toEqual({ usd: 0.24, basis: 'estimate' });
    });
  });

  it('never lowers an estimate', async () => {
    const log = await withCosts(async (costs) => {
      for (const output of [8_000, 7_024, 100, 1]) await costs.settle(call(), took(output), RESERVED);
      expect(await costs.estimate(call())).toEqual({ usd: 0.24, basis: 'estimate' });
      await costs.settle(call({ quality: 'low' }), took(10), RESERVED);
      expect(await costs.estimate(call({ quality: 'low' }))).toEqual({ usd: 0.00588, basis: 'estimate' });
    });
    expect(log).toHaveLength(1);
  });

  it('is kept over a restart, also where the catalog expected it, which may expect less one day', async () => {
    await using folder = await temporaryFolder();
    const log = pino({ level: 'silent' });
    const seen = call({ quality: 'medium', partialImages: 3 });
    const before = openRecords(folder.path);
    await createCosts({ records: before, log }).settle(seen, took(2_000), RESERVED);
    await before.close();
    const records = openRecords(folder.path);
    expect(await createCosts({ records, log }).estimate(call({ quality: 'medium' }))).toEqual({
      usd: 0.06,
      basis: 'estimate',
    });
    await records.close();
  });

  it('teaches nothing above eight times what the catalog expects: one absurd figure cannot shut a budget', async () => {
    await withCosts(async (costs) => {
      expect((await costs.settle(call(), took(8 * 7_024 + 1), RESERVED)).basis).toBe('usage');
      expect((await costs.estimate(call())).usd).toBe(0.21072);
      await costs.settle(call({ partialImages: 1 }), took(8 * 7_124), RESERVED);
      expect((await costs.estimate(call())).usd).toBe(1.70976);
    });
  });

  it('teaches nothing where it is implausible, or the model has no price per token', async () => {
    const log = await withCosts(async (costs, records) => {
      for (const usage of [null, took(0), took(1e9), { ...took(9_000), textInput: -1 }])
        expect(await costs.settle(call(), usage, RESERVED)).toEqual(RESERVED);
      expect((await costs.estimate(call())).usd).toBe(0.21072);
      expect(await costs.settle(call({ id: 'my-own' }), took(9_000), RESERVED)).toEqual(RESERVED);
      expect(await records.largestUsage({ model: 'my-own', quality: 'high', size: call().size })).toBe(0);
    });
    expect(log).toEqual([]);
  });

  it('never stands between a picture that was paid for and its record: a failed write is logged', async () => {
    const log = await withCosts(async (costs, records) => {
      await records.close();
      expect(await costs.settle(call(), took(1_000), RESERVED)).toEqual({ usd: 0.03, basis: 'usage' });
      await expect(costs.estimate(call())).rejects.toMatchObject({ code: 'storage_unavailable' });
    });
    expect(log).toEqual([expect.stringContaining('could not be noted')]);
  });

  it('adds the pictures that an edit starts from', async () => {
    await withCosts(async (costs) => {
      const plain = (await costs.estimate(call())).usd ?? 0;
      const edit = { inputs: [anInput({ width: 512, height: 512 })], mask: null };
      expect((await costs.estimate(call({ edit }))).usd).toBeCloseTo(plain + 0.051632, 9);
    });
  });

  it('is held back for the next picture of the service, previews included', async () => {
    await using easel = await startEasel({ env: { BUDGET_USD_PER_DAY: '0.6' } });
    const body = { prompt: 'abc', size: '1024x1024', quality: 'low', renditions: [] };
    const cost = async () => {
      const headers = { 'content-type': 'application/json' };
      const preview = await fetch(`${easel.url}/images/preview`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      });
      return ((await preview.json()) as { cost: Cost }).cost;
    };
    expect(await cost()).toEqual({ usd: 0.005885, basis: 'estimate' });
    const usage = { input_tokens: 1, output_tokens: 1_500, total_tokens: 1_501 };
    easel.upstream.always(picture({ usage }));
    const { body: record } = await easel.post({ ...body, mediaId: 'a' });
    expect(record.cost).toEqual({ usd: 0.045005, basis: 'usage' });
    expect(await cost()).toEqual({ usd: 0.045005, basis: 'estimate' });
    easel.upstream.always(picture({ usage: null }));
    expect((await easel.post({ ...body, mediaId: 'b' })).body.cost).toEqual({ usd: 0.045005, basis: 'estimate' });
  });
});
