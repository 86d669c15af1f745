/** Mode of a check. `off`: it is not made; `warn`: a picture that fails it is published all the same; `reject`: it is not published. */
export const CHECK_MODES = ['off', 'warn', 'reject'] as const;
type CheckMode = (typeof CHECK_MODES)[number];

/**
 * The quality checks: what each finds and its default mode. This is the one list: settings, schemas and policies derive from it.
 * By default only `uniformity` rejects, as it had no false positive in the bench.
 */
export const CHECKS = {
  uniformity: { finds: 'Blank and nearly blank pictures', defaultMode: 'reject' },
  entropy: { finds: 'Pictures with next to nothing in them', defaultMode: 'warn' },
  sharpness: { finds: 'Pictures that are blurred throughout', defaultMode: 'warn' },
  borders: { finds: 'Flat bars on opposite sides', defaultMode: 'warn' },
  size: { finds: 'Pictures smaller than asked for', defaultMode: 'warn' },
  ratio: { finds: 'Pictures of another shape than asked for', defaultMode: 'warn' },
} as const satisfies Readonly<Record<string, { readonly finds: string; readonly defaultMode: CheckMode }>>;

export type CheckName = keyof typeof CHECKS;
export const CHECK_NAMES = Object.keys(CHECKS) as readonly CheckName[];

/** The mode of every check. */
export type CheckPolicy = Readonly<Record<CheckName, CheckMode>>;
export const DEFAULT_CHECKS: CheckPolicy = forEachCheck((name) => CHECKS[name].defaultMode);
export const NO_CHECKS: CheckPolicy = forEachCheck(() => 'off');

export const CHECK_VERDICTS = ['ok', 'warn', 'reject'] as const;

/** The result of one check: `ok`, or the mode of the check where the value is below the threshold. */
export interface Check {
  readonly name: CheckName;
  readonly value: number;
  readonly threshold: number;
  readonly verdict: (typeof CHECK_VERDICTS)[number];
}

/** An object with a value for every check, in the order of `CHECKS`. */
export function forEachCheck<const Value>(make: (name: CheckName) => Value): Readonly<Record<CheckName, Value>> {
  return Object.fromEntries(CHECK_NAMES.map((name) => [name, make(name)])) as Record<CheckName, Value>;
}
