/** The modules that this process loads ahead, for its threads too. Its other flags, such as those of a test runner, are its own. */
export function preloads(flags: readonly string[]): string[] {
  return flags.flatMap((flag, index) => {
    if (flag.startsWith('--import=')) return [flag];
    return flag === '--import' ? [`${flag}=${flags[index + 1]}`] : [];
  });
}
