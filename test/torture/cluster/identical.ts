import { openCluster } from '../../support/cluster/cluster.ts';
import { startOpenAiServer } from '../../support/openai/server.ts';
import { sendIdentical } from '../identical.ts';

const ROUNDS = 10;

/**
 * Sends one request 200 times at once, to three replicas in turns, by mediaId and by Idempotency-Key; returns what is wrong with the
 * answers.
 */
export async function sendIdenticalToAll(): Promise<readonly string[]> {
  await using upstream = await startOpenAiServer();
  await using cluster = await openCluster({
    env: {
      OPENAI_API_KEY: upstream.key ?? 'none',
      OPENAI_BASE_URL: upstream.baseUrl,
      IMAGE_MODEL: 'small',
      IMAGE_SIZE: '128x128',
      IMAGE_RENDITIONS: '64x64.webp',
    },
  });
  upstream.strict = false;
  const services = await Promise.all(cluster.replicas.map((replica) => replica.start()));
  let turn = 0;
  const nextUrl = () => services[turn++ % services.length]?.url ?? '';
  const findings: string[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const by = round % 2 === 0 ? 'mediaId' : 'idempotencyKey';
    findings.push(...(await sendIdentical(nextUrl, upstream, by, `identical ${round}`)));
  }
  return findings;
}
