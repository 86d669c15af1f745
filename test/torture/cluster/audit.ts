/** Checks a cluster from outside: by its database, its bucket, and HTTP. */

import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { inputNames, publishedFiles, storedNameOf } from '../../../src/core/domain/file-names.ts';
import { type Image, isFinished } from '../../../src/core/domain/image.ts';
import type { Cluster } from '../../support/cluster/cluster.ts';
import type { WebhookReceiver } from '../../support/network/webhook-receiver.ts';
import { sha256 } from '../audit.ts';

/**
 * What is wrong with the published pictures as these replicas serve them, in turns: each must come whole, with the SHA-256 of its record.
 * Returns the number of files that were read, too.
 */
export async function auditPictures(
  urls: readonly string[],
  images: readonly Image[],
): Promise<{ readonly files: number; readonly findings: readonly string[] }> {
  const findings: string[] = [];
  const published = images.flatMap(publishedFiles);
  for (const [index, file] of published.entries()) {
    const response = await fetch(`${urls[index % urls.length]}/media/${file.name}`);
    const bytes = Buffer.from(await response.arrayBuffer());
    const seen = `${response.status} ${bytes.length} ${sha256(bytes)} ${response.headers.get('etag')}`;
    const expected = `200 ${file.bytes} ${file.sha256} "${file.sha256}"`;
    if (seen !== expected) findings.push(`/media/${file.name}: ${seen}, by its record ${expected}`);
  }
  for (const { mediaId, status, master } of images)
    if (status === 'succeeded' && master === null) findings.push(`${mediaId} succeeded without a master`);
  return { files: published.length, findings };
}

/** The files on record that the bucket does not have, and the number of its files that no record names. */
export async function auditBucket(
  { client, name }: Cluster['bucket'],
  images: readonly Image[],
): Promise<{ readonly orphans: number; readonly findings: readonly string[] }> {
  const stored = new Set<string>();
  let token: string | undefined;
  do {
    const page = await client.send(new ListObjectsV2Command({ Bucket: name, ContinuationToken: token }));
    for (const { Key = '' } of page.Contents ?? []) {
      const [, file] = /(?:^|\/)[0-9a-f]{2}\/([^/]+)$/.exec(Key) ?? [];
      if (file !== undefined) stored.add(decodeURIComponent(file));
    }
    token = page.NextContinuationToken;
  } while (token !== undefined);
  const named = images.flatMap((image) => [
    ...(image.original ? [image.original.name] : []),
    ...publishedFiles(image).map(storedNameOf),
    ...inputNames(image),
  ]);
  const known = new Set(named.map((path) => path.slice(path.lastIndexOf('/') + 1)));
  return {
    orphans: [...stored].filter((file) => !known.has(file)).length,
    findings: [...known]
      .filter((file) => !stored.has(file))
      .map((file) => `${file} is on record and not in the bucket`),
  };
}

/** What is wrong with the webhooks of these images: each end is delivered at least once, and by one sender at a time. */
export function auditWebhooks(receiver: WebhookReceiver, images: readonly Image[]): readonly string[] {
  const missing = images.filter((image) => !isDelivered(receiver, image));
  return [
    ...missing.map(({ mediaId, status }) => `the webhook of ${mediaId}, which ${status}, was not delivered`),
    ...(receiver.overlaps > 0 ? [`${receiver.overlaps} webhooks were sent by two at a time`] : []),
  ];
}

/** Whether the end of the image was delivered, where it has a webhook. */
export function isDelivered({ received }: WebhookReceiver, { mediaId, status, request }: Image): boolean {
  if (!request.webhookUrl || !isFinished(status)) return true;
  return received.some(({ message }) => message.data.mediaId === mediaId && message.type === `image.${status}`);
}
