/**
 * Has the hero images of ten articles made by brief: asks for all of them, hears of each by webhook, and says where they are. Run again, it
 * finds what is there: nothing is made or paid twice. Of a call that was out when Easel was killed the cost cannot be known, and the
 * number of such calls is bounded.
 */

import { once } from 'node:events';
import { createServer } from 'node:http';
import { createEasel, EaselError, type ImageRecord, verifyWebhook } from 'easel/client';

const { EASEL_URL = 'http://127.0.0.1:3000', EASEL_API_KEY, WEBHOOK_SECRET } = process.env;
if (!WEBHOOK_SECRET) throw new Error('WEBHOOK_SECRET is missing: Easel keeps its own in .data/webhook-secret');
/** Where Easel reaches this program, which listens there. */
const webhookUrl = new URL(process.env.WEBHOOK_URL ?? 'http://127.0.0.1:8000/');

/** The articles: the mediaId of each one's picture, and what it shows. */
const ARTICLES = {
  'bread-hero': { subject: 'a loaf of bread on a floured table', mood: 'warm' },
  'bridges-hero': { subject: 'a stone bridge in fog', mood: 'quiet' },
  'elections-hero': { subject: 'a ballot box in an empty hall', mood: 'sober' },
  'forests-hero': { subject: 'a path between old beeches', mood: 'calm' },
  'glaciers-hero': { subject: 'a glacier above a lake', mood: 'vast' },
  'harbours-hero': { subject: 'cranes of a harbour at dawn', mood: 'busy' },
  'orchards-hero': { subject: 'apple trees in blossom', mood: 'hopeful' },
  'railways-hero': { subject: 'a night train at a small station', mood: 'expectant' },
  'salt-hero': { subject: 'salt pans from above', mood: 'bright' },
  'windmills-hero': { subject: 'three windmills on a dyke', mood: 'windy' },
};

// It sends a request again by itself where Easel is away for a moment, or asks to wait.
const easel = createEasel({ baseUrl: EASEL_URL, apiKey: EASEL_API_KEY, maxRetries: 10 });

/** How each picture ended, by its mediaId. A message may come twice, which changes nothing here. */
const ended = new Map<string, ImageRecord>();
const all = Promise.withResolvers<void>();

function keep(record: ImageRecord): void {
  ended.set(record.mediaId, record);
  console.error(`${ended.size} of ${Object.keys(ARTICLES).length}: ${record.mediaId} ${record.status}`);
  if (Object.keys(ARTICLES).every((mediaId) => ended.has(mediaId))) all.resolve();
}

const receiver = createServer(async (request, response) => {
  // Over the bytes as they came: JSON that was parsed and written again has another signature.
  const body = Buffer.concat(await request.toArray());
  try {
    const { data } = await verifyWebhook(body, request.headers, WEBHOOK_SECRET);
    // A program that has to remember it stores it here: after the answer the message does not come again.
    if (data.mediaId in ARTICLES) keep(data);
    response.writeHead(204).end();
  } catch (error) {
    console.error('a webhook is refused:', error);
    response.writeHead(400).end();
  }
}).listen(Number(webhookUrl.port), webhookUrl.hostname);
await once(receiver, 'listening');

/** Failures that another request does not change: Easel answers the same until `easel.retry`, which may pay again. */
const FINAL = ['prompt_rejected', 'invalid_image', 'provider_failed'];

for (const [mediaId, brief] of Object.entries(ARTICLES)) {
  try {
    const record = await easel.submit({
      mediaId,
      preset: 'article-hero',
      brief,
      labels: ['hero'],
      webhookUrl: webhookUrl.href,
    });
    // Made by an earlier run: no webhook follows.
    if (record.status === 'succeeded') keep(record);
  } catch (error) {
    if (!(error instanceof EaselError) || !FINAL.includes(error.code)) throw error;
    keep(await easel.get(mediaId));
  }
}

await all.promise;
receiver.close();
receiver.closeAllConnections();

for (const mediaId of Object.keys(ARTICLES)) {
  const record = ended.get(mediaId);
  if (record?.status === 'succeeded') console.log(`${mediaId}: ${new URL(record.versionedUrl ?? '', EASEL_URL)}`);
  else
    console.log(`${mediaId}: ${record?.error?.code ?? record?.status}: ${record?.error?.detail ?? 'it was cancelled'}`);
}
const records = [...ended.values()];
const usd = records.reduce((sum, { cost }) => sum + (cost.usd ?? 0), 0);
console.log(`${records.filter(({ status }) => status === 'succeeded').length} pictures, $${usd.toFixed(2)}`);
