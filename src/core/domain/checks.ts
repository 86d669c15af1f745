export const CHECK_NAMES = ['uniformity', 'entropy', 'sharpness', 'borders', 'size', 'ratio'] as const;
export type CheckName = (typeof CHECK_NAMES)[number];

/** What becomes of a picture that does not pass a check; `off`: it is not made. */
export const CHECK_MODES = ['off', 'warn', 'reject'] as const;
export type CheckPolicy = Readonly<Record<CheckName, (typeof CHECK_MODES)[number]>>;

/** Only the check that accuses no fine picture rejects. */
export const DEFAULT_CHECKS: CheckPolicy = {
  uniformity: 'reject',
  entropy: 'warn',
  sharpness: 'warn',
  borders: 'warn',
  size: 'warn',
  ratio: 'warn',
};

/** What one check found. A value below the threshold is not ok. */
export interface Check {
  readonly name: CheckName;
  readonly value: number;
  readonly threshold: number;
  readonly verdict: 'ok' | 'warn' | 'reject';
}
