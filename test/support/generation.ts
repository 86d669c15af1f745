import type { AnnouncedAnswer, GeneratedPicture, GenerationOptions } from '../../src/core/ports/provider.ts';

/** The options of a call that nothing ends, with those that are given. */
export function callOptions(some: Partial<GenerationOptions> = {}): GenerationOptions {
  return { cancelled: new AbortController().signal, abandoned: new AbortController().signal, ...some };
}

/** The answer, which must hold its picture rather than name it by a URL. */
export function pictureIn(answer: GeneratedPicture | AnnouncedAnswer): GeneratedPicture {
  if ('bytes' in answer) return answer;
  throw new Error(`the answer only names its picture: ${answer.url}`);
}

/** The answer, which must name its picture by a URL. */
export function addressIn(answer: GeneratedPicture | AnnouncedAnswer): AnnouncedAnswer {
  if ('url' in answer) return answer;
  throw new Error('the answer holds its picture');
}
