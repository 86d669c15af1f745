import { ActionAssertion, type HashedURI, IngredientAssertion, type Manifest } from '@trustnxt/c2pa-ts/manifest';

/** The ingredients that a manifest lists. */
export function ingredientsOf(manifest: Manifest): readonly IngredientAssertion[] {
  return (manifest.assertions?.assertions ?? []).filter((assertion) => assertion instanceof IngredientAssertion);
}

/** The reference to an ingredient's manifest: `c2pa_manifest` up to version 2 of the assertion, `activeManifest` since. */
export function manifestReference({ activeManifest, c2pa_manifest }: IngredientAssertion): HashedURI | undefined {
  return activeManifest ?? c2pa_manifest;
}

/** The first digital source type among a manifest's actions; null where there is none. */
export function digitalSourceType(manifest: Manifest): string | null {
  const actions = (manifest.assertions?.assertions ?? []).flatMap((assertion) =>
    assertion instanceof ActionAssertion ? assertion.actions : [],
  );
  return boundedText(actions.find((action) => action.digitalSourceType)?.digitalSourceType);
}

/** The common name in a distinguished name: `Easel` in `CN=Easel, O=Example`. The whole name where there is none. */
export function commonName(distinguishedName: string): string {
  return /(?:^|, )CN=([^,]+)/.exec(distinguishedName)?.[1] ?? distinguishedName;
}

const MAX_TEXT_LENGTH = 1000;

/** Text cut to 1,000 characters; null for empty text or another type. Files are untrusted: any type and length can occur. */
export function boundedText(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value.toWellFormed().slice(0, MAX_TEXT_LENGTH) : null;
}
