import { parseArgs } from 'node:util';
import { ageText } from '../core/planning/notation.ts';
import { withServices } from './embedded-service.ts';

export async function cleanUp(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { 'older-than': { type: 'string' }, 'dry-run': { type: 'boolean' } } });
  const age = values['older-than'];
  return await withServices(async ({ images }) => {
    const olderThanMs = age === undefined ? null : ageText.parse(age);
    const report = await images.cleanup({ olderThanMs, dryRun: values['dry-run'] ?? false });
    console.log(JSON.stringify(report, null, 2));
    for (const mediaId of report.missingFilesOf) {
      await images.waitUntilFinished(mediaId, 2 ** 31 - 1, new AbortController().signal);
    }
    return 0;
  });
}
