interface MigrationErrorOptions extends ErrorOptions {
  /** True where the command line is wrong. */
  readonly isWrongUse?: boolean;
}

/** Raised where an installation cannot be moved. The message says what to do. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
  readonly isWrongUse: boolean;

  constructor(message: string, { isWrongUse = false, ...options }: MigrationErrorOptions = {}) {
    super(message, options);
    this.isWrongUse = isWrongUse;
  }
}
