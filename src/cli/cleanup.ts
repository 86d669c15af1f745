import { parseArgs } from 'node:util';
import { ageText } from '../core/planning/notation.ts';
import { waitForImage, withServices } from './embedded-service.ts';

/** Runs one cleanup, prints its report, and waits until lost files have been made again. */
export async function cleanUp(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { 'older-than': { type: 'string' }, 'dry-run': { type: 'boolean' } } });
  const age = values['older-than'];
  return await withServices(async (services) => {
    const olderThanMs = age === undefined ? null : ageText.parse(age);
    const report = await services.images.cleanup({ olderThanMs, dryRun: values['dry-run'] ?? false });
    console.log(JSON.stringify(report, null, 2));
    for (const mediaId of report.missingFilesOf) await waitForImage(services, mediaId);
    return 0;
  });
}
