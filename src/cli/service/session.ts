import type { Easel } from '../../client/easel.ts';
import type { Payments } from './payments.ts';
import type { Read } from './read.ts';

/** What a command works with: a running service, or one in this process. */
export interface Session {
  readonly easel: Easel;
  readonly read: Read;
  /** Where the service is; null for one in this process. */
  readonly url: string | null;
  /** Whether this process makes the pictures: the command then waits for what is to be made. */
  readonly makes: boolean;
  /** To name the pictures that the command may pay for, so that it can say what it paid when it is interrupted. */
  readonly payments: Payments;
  /** Fires at Ctrl-C. The command then writes no result any more. */
  readonly interrupted: AbortSignal;
  /** Fires when calls have nothing to wait for any more. Every call takes it. */
  readonly signal: AbortSignal;
}

/** Resolves to the exit code. */
export type Work = (session: Session) => Promise<number>;
