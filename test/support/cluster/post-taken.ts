import type { RunningService } from '../app/process.ts';
import { eventually } from '../until.ts';
import { type Answer, post } from './replicas.ts';

/** `POST /images`, again where the service says that it is overloaded, as it may be on a busy machine. */
export async function postUntilTaken(
  service: Pick<RunningService, 'url'>,
  request: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return await eventually(async () => {
    const answer = await post(service, request, headers);
    if (answer.status === 429) throw new Error(answer.body.detail);
    return answer;
  });
}
