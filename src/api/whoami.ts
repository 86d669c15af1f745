/** Whose key a request bears, and what it may do. */

import { z } from 'zod';
import { ANONYMOUS } from '../core/domain/request.ts';

/** Every scope, as the API names them: `security/api-keys.ts` has the rules. */
const SCOPE_NAMES = ['generate', 'read', 'read-all', 'metrics', 'admin'] as const;

/** Answer of `GET /whoami`. */
export const whoami = z
  .strictObject({
    name: z.string().meta({
      description: `Of the API key, which owns what is made with it; \`${ANONYMOUS.name}\` where no keys are in use.`,
      examples: ['blog'],
    }),
    scopes: z.array(z.enum(SCOPE_NAMES)).meta({
      description: 'All that the key may do, with what its scopes include, always in this order.',
      examples: [['generate', 'read']],
    }),
    keysInUse: z
      .boolean()
      .meta({ description: 'False where there are no API keys: every caller may then do everything.' }),
  })
  .meta({ id: 'Whoami' });

/** Makes the answer. */
export function toWhoami({ name, scopes, keysInUse }: z.output<typeof whoami>): z.output<typeof whoami> {
  return { name, scopes: [...scopes], keysInUse };
}
