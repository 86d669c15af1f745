interface BackupErrorOptions extends ErrorOptions {
  /** True where the command line is wrong. */
  readonly isWrongUse?: boolean;
}

/** Raised where a backup cannot be made or restored. The message says what to do. */
export class BackupError extends Error {
  override readonly name = 'BackupError';
  readonly isWrongUse: boolean;

  constructor(message: string, { isWrongUse = false, ...options }: BackupErrorOptions = {}) {
    super(message, options);
    this.isWrongUse = isWrongUse;
  }
}
