/** How the model API answers the calls of a round of torture: well, in part, ambiguously or not at all. */

import { answer, type Behaviour, dropConnection, htmlPage, openAiError, picture } from '../support/openai/answers.ts';

/** Makes the service try again at once, so that a round does not spend its time on backoff. */
const SOON = { headers: { 'retry-after-ms': '10' } };
/** Names of the answers after which a call may have been billed although it brought no picture. */
export const AMBIGUOUS = new Set(['gateway timeout', 'dead URL']);
/** Name of the answer that is known not to be billed. */
export const REFUSED = 'server_error';

/**
 * A picture in two calls of three: in the answer, or at a URL whose server may fail at first. Else a gateway's timeout, a URL that
 * the SSRF guard refuses for good, or an error of the API itself.
 */
export function anyAnswer(random: () => number): Behaviour {
  const kind = random();
  const beforeHeaders = Math.floor(random() ** 2 * 300);
  if (kind < 0.45) return picture({ beforeHeaders });
  if (kind < 0.67) {
    const late = answer({ name: 'late', status: 404, body: '' });
    const fileFirst = [late, dropConnection('reset'), late].slice(Math.floor(random() * 4));
    return picture({ beforeHeaders, as: 'url', fileFirst });
  }
  if (kind < 0.82) return { ...htmlPage(504, { beforeHeaders, ...SOON }), name: 'gateway timeout' };
  if (kind < 0.9) return { ...picture({ beforeHeaders, url: 'http://169.254.1.1/picture.png' }), name: 'dead URL' };
  return openAiError(REFUSED, { beforeHeaders, ...SOON });
}
