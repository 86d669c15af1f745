import { afterAll, beforeAll, expect, it } from 'vitest';
import { casesOf } from '../../../src/cli/conformance/cases.ts';
import { createExchange } from '../../../src/cli/conformance/exchange.ts';
import { type Report, type RunOptions, runConformance } from '../../../src/cli/conformance/run.ts';

/** A server that speaks the dialect. */
export interface DialectServer extends AsyncDisposable {
  /** With `/v1`. */
  readonly baseUrl: string;
  readonly key: string | null;
}

/** Runs the cases of `easel conformance` once against a server, as the command does. */
export async function conformanceOf(
  { baseUrl, key }: Pick<DialectServer, 'baseUrl' | 'key'>,
  options: Partial<RunOptions> & { readonly timeoutMs?: number } = {},
): Promise<Report> {
  const { timeoutMs = 90_000 } = options;
  const exchange = createExchange({ baseUrl, key, timeoutMs });
  try {
    return await runConformance({
      exchange,
      baseUrl,
      key,
      model: 'gpt-image-2',
      size: '816x816',
      edits: true,
      ...options,
    });
  } finally {
    await exchange.close();
  }
}

/** The cases that deviate, with what is found, by their names. */
export function deviationsOf({ cases }: Report): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    cases.filter(({ verdict }) => verdict === 'deviates').map(({ name, findings }) => [name, findings]),
  );
}

/** Makes every case of `easel conformance` a test of the server that `start` gives; those of edits can be left out. */
export function describeConformance(start: () => Promise<DialectServer>, { edits = true } = {}): void {
  let server: DialectServer;
  let report: Report;

  beforeAll(async () => {
    server = await start();
    report = await conformanceOf(server, { edits });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it.each(casesOf({ edits }))('$name: $promise', ({ name }) => {
    const outcome = report.cases.find((one) => one.name === name);
    expect([outcome?.verdict, outcome?.verdict === 'conforms' ? [] : outcome?.findings]).toEqual(['conforms', []]);
  });
}
