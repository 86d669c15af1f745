import { describe, expect, it } from 'vitest';
import { parseMediaPlace, parsePostgres, parseSqlite } from '../../../src/composition/migrate/places.ts';

describe('accepts', () => {
  it.each([
    ['media', { kind: 'folder', path: 'media' }],
    ['/srv/media', { kind: 'folder', path: '/srv/media' }],
    ['file:media', { kind: 'folder', path: 'media' }],
    ['file:///srv/media', { kind: 'folder', path: '/srv/media' }],
    ['s3://pictures', { kind: 's3', bucket: 'pictures', prefix: '' }],
    ['s3://pictures/easel/production/', { kind: 's3', bucket: 'pictures', prefix: 'easel/production' }],
  ])('%s for pictures', (text, place) => {
    expect(parseMediaPlace('--media-to', text)).toEqual(place);
  });

  it('the databases of both kinds', () => {
    expect(parseSqlite('sqlite:.data/easel.db')).toBe('.data/easel.db');
    expect(parsePostgres('postgres://easel@host/easel')).toBe('postgres://easel@host/easel');
    expect(parsePostgres('postgresql://host/easel?sslmode=require')).toContain('postgresql:');
  });
});

describe('refuses as wrong use', () => {
  const wrong = (message: string) =>
    expect.objectContaining({ message: expect.stringContaining(message), isWrongUse: true });
  const errorOf = (work: () => unknown) => {
    try {
      return work();
    } catch (error) {
      return error;
    }
  };

  it.each(['', 'file:', 'https://host/bucket', 'gs://bucket'])('%j for pictures', (text) => {
    expect(errorOf(() => parseMediaPlace('--media-to', text))).toEqual(wrong('--media-to: must be a folder, or s3://'));
  });

  it.each(['s3:bucket', 's3://', 's3://No_Bucket/x'])('%j for a bucket', (text) => {
    expect(errorOf(() => parseMediaPlace('--media-to', text))).toEqual(wrong('--media-to: must be s3://BUCKET'));
  });

  it.each(['easel.db', 'sqlite:', 'postgres://host/easel'])('%j for the source', (text) => {
    expect(errorOf(() => parseSqlite(text))).toEqual(wrong('--from: must be sqlite:PATH'));
  });

  it.each(['mysql://host/easel', 'postgres://host', 'host/easel'])(
    '%j for the target, without showing a password',
    (text) => {
      expect(errorOf(() => parsePostgres(text))).toEqual(wrong('--to: must be postgres://USER@HOST/DATABASE'));
      const error = errorOf(() => parsePostgres(text.replace('host', 'user:secret@host')));
      expect(String(error)).not.toContain('secret');
    },
  );
});
