/** Reads where an installation is moved from and to. */

import { MigrationError } from './migration-error.ts';

/** Where pictures are kept. */
export type MediaPlace =
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string };

/** The path in `sqlite:PATH`. Raises `MigrationError` for anything else. */
export function parseSqlite(text: string): string {
  const [, path = ''] = /^sqlite:(.+)$/s.exec(text) ?? [];
  if (path === '')
    throw wrongUse(`--from: must be sqlite:PATH, the database of a single Easel, such as sqlite:.data/easel.db`);
  return path;
}

/** The URL, which has to be PostgreSQL's. Raises `MigrationError`, without the URL, which may hold a password. */
export function parsePostgres(text: string): string {
  const url = URL.parse(text);
  const isPostgres = url !== null && ['postgres:', 'postgresql:'].includes(url.protocol);
  if (!isPostgres || url.pathname.length < 2) {
    throw wrongUse('--to: must be postgres://USER@HOST/DATABASE; PGPASSWORD in the environment can hold the password');
  }
  return text;
}

/** The place in `s3://BUCKET/PREFIX`, `file:PATH` or a path. Raises `MigrationError` for another URL. */
export function parseMediaPlace(option: string, text: string): MediaPlace {
  const [, scheme = ''] = /^([a-z][a-z0-9+.-]*):/i.exec(text) ?? [];
  if (scheme === 's3') {
    const [, bucket = '', prefix = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/s.exec(text) ?? [];
    if (bucket === '') throw wrongUse(`${option}: must be s3://BUCKET or s3://BUCKET/PREFIX`);
    return { kind: 's3', bucket, prefix: prefix.replace(/\/+$/, '') };
  }
  const path = scheme === 'file' ? text.replace(/^file:(?:\/\/(?=\/))?/, '') : text;
  if (path === '' || (scheme !== '' && scheme !== 'file')) {
    throw wrongUse(`${option}: must be a folder, or s3://BUCKET/PREFIX`);
  }
  return { kind: 'folder', path };
}

function wrongUse(message: string): MigrationError {
  return new MigrationError(message, { isWrongUse: true });
}
