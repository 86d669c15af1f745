import type { OpenAiServer } from '../support/openai/server.ts';
import { post } from './life.ts';

const TIMES = 200;

/**
 * Sends one request 200 times at once, each to a URL of its own where `url` is a function, with the same mediaId or Idempotency-Key;
 * returns what is wrong with the answers.
 */
export async function sendIdentical(
  url: string | (() => string),
  upstream: OpenAiServer,
  by: 'mediaId' | 'idempotencyKey',
  prompt: string,
): Promise<readonly string[]> {
  const name = prompt.replaceAll(' ', '-');
  const body = by === 'mediaId' ? { mediaId: name, prompt } : { prompt };
  const headers: Record<string, string> = by === 'mediaId' ? {} : { 'idempotency-key': name };
  const before = upstream.calls.length;
  const replies = await Promise.all(
    Array.from({ length: TIMES }, () => post(typeof url === 'string' ? url : url(), body, headers)),
  );

  const statuses = (status: number) => replies.filter((reply) => reply.status === status).length;
  const records = new Set(replies.map((reply) => JSON.stringify(reply.body)));
  const findings: string[] = [];
  if (upstream.calls.length !== before + 1) findings.push(`${prompt}: ${upstream.calls.length - before} calls`);
  if (statuses(201) !== 1 || statuses(200) !== TIMES - 1) {
    const others = replies.filter(({ status }) => status !== 200 && status !== 201);
    const seen = others.map(({ status, body }) => `${status} ${body.code}: ${body.detail}`);
    findings.push(
      `${prompt}: ${statuses(201)} times 201 and ${statuses(200)} times 200, ${[...new Set(seen)].join('; ')}`,
    );
  }
  if (records.size !== 1) findings.push(`${prompt}: ${records.size} different records`);
  return findings;
}
