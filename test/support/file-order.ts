import { readFileSync } from 'node:fs';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Names that a file of tests with processes imports: a start takes a second. */
const STARTS_PROCESSES = /\b(startProcess|startService|startLife|runEasel|createCheckout|spawn(Sync)?)\b/;

/**
 * The longest files first, as vitest has them, so that none begins when all others have ended. Where vitest knows no times yet, as in a new
 * checkout, it goes by the length of the text; here files that start processes come before all others.
 */
export class FileOrder extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    if (sorted.every((file) => this.ctx.cache.getTestSpecificationResult(file) !== undefined)) return sorted;
    const startsProcesses = new Map(
      sorted.map((file) => [file, STARTS_PROCESSES.test(readFileSync(file.moduleId, 'utf8'))]),
    );
    return sorted.toSorted((one, other) => Number(startsProcesses.get(other)) - Number(startsProcesses.get(one)));
  }
}
