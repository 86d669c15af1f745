import type { Config } from '../../config/config.ts';
import { loadSharp } from '../optional-parts.ts';
import { type Finding, fails, ok, warning } from './finding.ts';

const FORMATS = ['png', 'jpeg', 'webp', 'avif'] as const;

/** Writes and reads a small picture in every format. */
export async function checkSharp(): Promise<Finding> {
  const subject = 'sharp';
  try {
    const sharp = await loadSharp();
    const create = { width: 64, height: 48, channels: 3, background: '#336699' } as const;
    for (const format of FORMATS) {
      const bytes = await sharp({ create }).toFormat(format).toBuffer();
      const { info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
      if (info.width !== create.width || info.height !== create.height)
        throw new Error(`${format} came back in another size`);
    }
    const { sharp: version, vips } = sharp.versions;
    return ok(subject, `${version} with libvips ${vips} writes and reads ${FORMATS.join(', ')}`);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return fails(
      subject,
      `does not work: ${reason}; install again with npm ci on this machine, whose processor and C library decide the build`,
    );
  }
}

/** What proxies cut a call at, in seconds, unless they are set otherwise: nginx, AWS load balancers, Heroku and others. */
const COMMON_CUT_SECONDS = 60;

/** Compares the times and sizes that are set with what proxies commonly allow. */
export function checkProxySettings({ server }: Pick<Config, 'server'>): Finding {
  const subject = 'proxy';
  const { publicUrl, syncWaitSeconds, openAiWaitSeconds, trustProxy } = server;
  if (publicUrl === null) return ok(subject, 'PUBLIC_URL is not set: no proxy is expected');
  const notes: string[] = [];
  const waits = [
    ['SYNC_WAIT_SECONDS', syncWaitSeconds],
    ['OPENAI_WAIT_SECONDS', openAiWaitSeconds],
  ] as const;
  for (const [name, seconds] of waits) {
    if (seconds < COMMON_CUT_SECONDS) continue;
    notes.push(
      `${name} is ${seconds}, and proxies cut calls at ${COMMON_CUT_SECONDS} s unless they are set otherwise: set it to 55, or the proxy's limit above it`,
    );
  }
  if (trustProxy === false) {
    notes.push('TRUST_PROXY is not set: the log and the limits of rate take all callers for one, the proxy');
  }
  if (notes.length > 0) return warning(subject, notes.join('; '));
  return ok(subject, `the waits are below ${COMMON_CUT_SECONDS} s; with --url ${publicUrl} the proxy itself is tried`);
}
