import { ConfigError, readConfig } from '../../src/config/config.ts';

/** What is wrong with an environment, by the lines of its `ConfigError`; empty where it is right. */
export function issuesOf(env: Readonly<Record<string, string>>): readonly string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.issues;
    throw error;
  }
}
