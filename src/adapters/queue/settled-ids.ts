/** The ids of the jobs that a call of pg-boss found under the claims that it was given. Its types leave them out. */
export function settledIds(response: object): readonly string[] {
  return (response as { readonly settled?: readonly string[] }).settled ?? [];
}
