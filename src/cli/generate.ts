import { parseArgs } from 'node:util';
import { ANONYMOUS } from '../core/domain/request.ts';
import { sizeText } from '../core/planning/notation.ts';
import { waitForImage, withServices } from './embedded-service.ts';
import { EX_USAGE, USAGE } from './usage.ts';

/** Makes one picture and prints its record. Exit code 1 when it did not succeed. */
export async function generate(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      preset: { type: 'string' },
      size: { type: 'string' },
      model: { type: 'string' },
      'media-id': { type: 'string' },
    },
  });
  const prompt = positionals.join(' ');
  if (prompt === '') {
    console.error(`expected a prompt, such as: easel generate "a lighthouse at dusk"\n\n${USAGE}`);
    return EX_USAGE;
  }
  return await withServices(async (services) => {
    const request = {
      prompt,
      preset: values.preset,
      model: values.model,
      mediaId: values['media-id'],
      size: values.size === undefined ? undefined : sizeText.parse(values.size),
    };
    // A command needs no key: an operator on this machine can read the files anyway.
    const { image, replayed } = await services.images.submit(request, ANONYMOUS, null);
    if (replayed) {
      console.error(
        'this is an earlier failure, and nothing was called now: the call may have been billed, or would fail again; ' +
          `POST /images/${image.mediaId}/retry of the service runs it again, although that may cost again`,
      );
    }
    // The service was not started, so that it takes up no other work; this image may be one that an earlier process left unfinished.
    await services.resume(image.mediaId);
    const finished = await waitForImage(services, image.mediaId);
    console.log(JSON.stringify(finished && (await services.toRecord(finished)), null, 2));
    return finished?.status === 'succeeded' ? 0 : 1;
  });
}
