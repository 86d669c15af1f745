import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import type { Easel } from '../../support/app/easel.ts';

/** The path of a picture's view. */
export const path = (mediaId: string) => `/#/images/${mediaId}`;
/** A button of what can be done with the picture. */
export const button = (page: Page, name: string) =>
  page.getByRole('group', { name: 'What to do' }).getByRole('button', { name });

/** The value of a field that is there to be copied. */
export async function copied(page: Page, name: string): Promise<string> {
  return await page.getByLabel(name, { exact: true }).inputValue();
}

/** Changes a picture as another client does. */
export async function patch(easel: Easel, mediaId: string, body: unknown): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const { ok } = await fetch(`${easel.url}/images/${mediaId}`, {
    method: 'PATCH',
    headers,
    body: JSON.stringify(body),
  });
  expect(ok).toBe(true);
}
