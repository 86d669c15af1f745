import PQueue from 'p-queue';
import { coverCrop, coverCropWithin, enlargement } from '../images/crop.ts';
import { ImageError } from '../images/errors.ts';
import { type Crop, formatSize, type RenditionSpec, type Size, type Warning } from '../images/image.ts';
import type { FinishedPicture, FinishOrder, Imaging } from '../images/ports.ts';
import type { FileSigner } from './c2pa-signer.ts';
import { checkPicture } from './checks.ts';
import { type Limits, type Picture, readPicture } from './inspect.ts';
import { xmpPacket } from './provenance.ts';
import { renderFile } from './render.ts';

export interface ImagingOptions {
  /** Defaults: 64 MiB, 64 megapixels, 30 s. */
  readonly limits?: Partial<Limits>;
  /**
   * Pictures in hand, and sharp's operations running, at any one time; default 2. Each picture in hand holds its
   * pixels in memory. Each operation holds one of libuv's threads, four unless `UV_THREADPOOL_SIZE` says otherwise:
   * stay below that by two or more, since durable writes wait for the same threads.
   */
  readonly parallel?: number;
  /** Signs every file that is encoded here; without it they carry no C2PA manifest. */
  readonly signer?: FileSigner | null;
}

const DEFAULT_LIMITS: Limits = { bytes: 64 * 1024 * 1024, pixels: 64_000_000, decodeSeconds: 30 };

/**
 * Imaging by sharp. Work runs on libuv's threads, never on the event loop.
 * A fault of the machine while a sound picture is encoded is raised as it is: it says nothing against the picture.
 */
export function createImaging(options: ImagingOptions = {}): Imaging {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const concurrency = options.parallel ?? 2;
  const pictures = new PQueue({ concurrency });
  const operations = new PQueue({ concurrency });
  return {
    finish: (original, order) =>
      pictures.add(() => finish(original, order, limits, operations, options.signer ?? null)),
  };
}

async function finish(
  original: Uint8Array,
  order: FinishOrder,
  limits: Limits,
  operations: PQueue,
  signer: FileSigner | null,
): Promise<FinishedPicture> {
  const picture = await operations.add(() => readPicture(original, limits));
  const checks = await operations.add(() => checkPicture(picture));
  const rejected = checks.filter(({ verdict }) => verdict === 'reject');
  if (rejected.length > 0) {
    const reasons = rejected.map(({ name, value, threshold }) => `${name} is ${value}, below ${threshold}`);
    throw new ImageError('invalid_image', `the picture did not pass its checks: ${reasons.join('; ')}`, { checks });
  }

  const xmp = xmpPacket(order.provenance);
  const signing = await signer?.begin(original, picture, order);
  const render = async (spec: RenditionSpec, crop: Crop) => {
    const file = await operations.add(() => renderFile(picture, crop, spec, xmp));
    return (await signing?.sign(file, crop)) ?? file;
  };
  const masterCrop = coverCrop(picture, order.master);
  const [master, renditions] = await Promise.all([
    isMaster(picture, order) ? { ...order.master, bytes: null } : render(order.master, masterCrop),
    // A rendition shows what the master shows, but is taken from the original's pixels, so nothing is scaled twice.
    Promise.all(order.renditions.map((spec) => render(spec, coverCropWithin(masterCrop, spec)))),
  ]);
  const warnings = [...findWarnings(picture, masterCrop, order), ...(signing?.warnings ?? [])];
  return { master, renditions, checks, thumbhash: null, warnings };
}

/** Whether the original is the master as it stands. */
function isMaster(picture: Picture, { master }: FinishOrder): boolean {
  return picture.plain && picture.format === master.format && isSameSize(picture, master);
}

function isSameSize(one: Size, other: Size): boolean {
  return one.width === other.width && one.height === other.height;
}

function findWarnings(
  picture: Picture,
  masterCrop: Crop,
  { requested, master, renditions }: FinishOrder,
): readonly Warning[] {
  const warnings: Warning[] = [];
  // A size that was asked for was planned, and its crop and enlargement were warned of when it was.
  if (!isSameSize(picture, requested)) {
    const shown = isSameSize(picture, masterCrop) ? 'all' : `the middle ${formatSize(masterCrop)}`;
    const detail = `the picture came as ${formatSize(picture)}; ${shown} of it became the master of ${formatSize(master)}`;
    warnings.push({ code: 'resized', detail }, ...enlarged('the master', masterCrop, master));
  }
  for (const spec of renditions) {
    const name = `the rendition ${formatSize(spec)}.${spec.format}`;
    warnings.push(...enlarged(name, coverCropWithin(masterCrop, spec), spec));
  }
  return warnings;
}

function enlarged(name: string, crop: Crop, target: Size): readonly Warning[] {
  const factor = enlargement(crop, target).toFixed(2);
  // A crop is whole pixels, so factors that round to 1 are no enlargement.
  if (Number(factor) <= 1) return [];
  return [{ code: 'enlarged', detail: `${name} is enlarged ${factor} times from ${formatSize(crop)}` }];
}
