import PQueue from 'p-queue';
import { type Check, type CheckPolicy, DEFAULT_CHECKS } from '../../core/domain/checks.ts';
import { ImageError } from '../../core/domain/errors.ts';
import type { CropStrategy, RenditionSpec } from '../../core/domain/formats.ts';
import { type Crop, coverCrop, enlargement, formatSize, type Size } from '../../core/domain/geometry.ts';
import type { Warning } from '../../core/domain/image.ts';
import type { FinishedFile, FinishedPicture, FinishSpec, Imaging } from '../../core/ports/imaging.ts';
import { NO_TRACING, type Tracer } from '../../core/ports/tracer.ts';
import type { FileSigner } from '../provenance/c2pa-signer.ts';
import { xmpPacket } from '../provenance/xmp.ts';
import { checkPicture } from './checks.ts';
import { chooseCrop } from './crop-search.ts';
import { type DecodeLimits, type Picture, readPicture } from './inspect.ts';
import { makePreview } from './preview.ts';
import { renderFile } from './render.ts';

export interface ImagingOptions {
  /** Defaults: 64 MiB, 36 megapixels, 30 s. */
  readonly limits?: Partial<DecodeLimits>;
  /** What becomes of pictures that do not pass a check; default `DEFAULT_CHECKS`. */
  readonly checks?: CheckPolicy;
  /** What pictures that are kept whole are laid on: `#rrggbb` or `transparent`; default white. */
  readonly background?: string;
  /**
   * Pictures in hand, and sharp's operations running, at any one time; default 2. Each picture in hand holds its
   * pixels in memory. Each operation holds one of libuv's threads, four unless `UV_THREADPOOL_SIZE` says otherwise:
   * stay below that by two or more, since durable writes wait for the same threads. Each call of `finishDeferred` takes one more.
   */
  readonly concurrency?: number;
  /** Signs every file that is encoded here; without it they carry no C2PA manifest. */
  readonly signer?: FileSigner | null;
  readonly tracer?: Tracer;
}

/** Twice the pixels of the largest master that can be asked for, and four times those that a model of today gives. */
const DEFAULT_LIMITS: DecodeLimits = { bytes: 64 * 1024 * 1024, pixels: 36_000_000, decodeSeconds: 30 };

/**
 * Imaging by sharp. Decoding, scaling and encoding run on libuv's threads; only the checks and the preview, which look
 * at a bounded number of pixels, run on the event loop.
 * A fault of the machine while a sound picture is encoded is raised as it is: it says nothing against the picture.
 */
export function createImaging(options: ImagingOptions = {}): Imaging {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const { checks: policy = DEFAULT_CHECKS, background = '#ffffff', signer = null, tracer = NO_TRACING } = options;
  const concurrency = options.concurrency ?? 2;
  const pictures = new PQueue({ concurrency });
  const operations = new PQueue({ concurrency });

  /** Encodes and signs files of one original. `run` says when. */
  async function createFileMaker(original: Uint8Array, picture: Picture, finishSpec: FinishSpec, run: Run) {
    const xmp = xmpPacket(finishSpec.provenance);
    const signing = await signer?.signerFor(original, picture, finishSpec);
    const masterCrop = await run(() => chooseCrop(picture, wholePicture(picture), finishSpec.master, finishSpec.crop));
    const frame = <S extends Size>(size: S) => ({ ...size, crop: finishSpec.crop, background });
    const make = async (spec: RenditionSpec, crop: Crop) => {
      const file = await run(() => renderFile(picture, crop, frame(spec), xmp));
      return (await signing?.sign(file, crop)) ?? file;
    };
    return {
      masterCrop,
      master: () => make(finishSpec.master, masterCrop),
      // A rendition shows what the master shows, but is taken from the original's pixels, so nothing is scaled twice.
      rendition: async (spec: RenditionSpec) =>
        make(spec, await run(() => chooseCrop(picture, masterCrop, spec, finishSpec.crop))),
      preview: () => run(() => makePreview(picture, masterCrop, frame(finishSpec.master))),
      /** What came up while files were signed. */
      warnings: () => signing?.warnings ?? [],
    };
  }

  /** Decodes the original and judges it. */
  async function decodeAndCheck(original: Uint8Array, order: FinishSpec, run: Run) {
    const picture = await run(() => readPicture(original, limits));
    const checks = checkPicture(picture, order.requested, { ...policy, ...order.checks });
    refuseRejected(checks);
    return { picture, checks };
  }

  async function finish(original: Uint8Array, order: FinishSpec): Promise<FinishedPicture> {
    const run: Run = (work) => operations.add(work);
    const { picture, checks } = await tracer.span({ name: 'check' }, () => decodeAndCheck(original, order, run));
    const make = await createFileMaker(original, picture, order, run);
    const [master, renditions, preview] = await Promise.all([
      isMaster(picture, order) ? { ...order.master, bytes: null } : make.master(),
      Promise.all(order.renditions.map(make.rendition)),
      make.preview(),
    ]);
    const warnings = [...findWarnings(picture, make.masterCrop, order), ...make.warnings()];
    return { master, renditions, checks, ...preview, warnings };
  }

  async function finishDeferred(
    original: Uint8Array,
    order: FinishSpec,
    onFile: (file: FinishedFile) => Promise<void>,
  ): Promise<readonly Warning[]> {
    const picture = await readPicture(original, limits);
    const make = await createFileMaker(original, picture, order, (work) => work());
    for (const spec of order.deferred) await onFile(await make.rendition(spec));
    return make.warnings();
  }

  return {
    finish: (original, order) => pictures.add(() => finish(original, order)),
    // Past the queues: however long it takes, no master waits for it.
    finishDeferred,
  };
}

/** Does work of sharp, when its turn comes. */
type Run = <T>(work: () => Promise<T>) => Promise<T>;

function wholePicture({ width, height }: Size): Crop {
  return { left: 0, top: 0, width, height };
}

function refuseRejected(checks: readonly Check[]): void {
  const rejected = checks.filter(({ verdict }) => verdict === 'reject');
  if (rejected.length === 0) return;
  const reasons = rejected.map(({ name, value, threshold }) => `${name} is ${value}, below ${threshold}`);
  throw new ImageError('invalid_image', `the picture did not pass its checks: ${reasons.join('; ')}`, { checks });
}

/** Whether the original is the master as it stands. */
function isMaster(picture: Picture, { master }: FinishSpec): boolean {
  return picture.plain && picture.format === master.format && isSameSize(picture, master);
}

function isSameSize(one: Size, other: Size): boolean {
  return one.width === other.width && one.height === other.height;
}

function findWarnings(picture: Picture, masterCrop: Crop, finishSpec: FinishSpec): readonly Warning[] {
  const { requested, master, crop } = finishSpec;
  const warnings: Warning[] = [];
  // A size that was asked for was planned, and so was its crop.
  if (!isSameSize(picture, requested)) {
    const part = `${crop === 'centre' ? 'the middle' : 'a part of'} ${formatSize(masterCrop)}`;
    const shown = isSameSize(picture, masterCrop) ? 'all' : part;
    const detail = `the picture came as ${formatSize(picture)}; ${shown} of it became the master of ${formatSize(master)}`;
    warnings.push({ code: 'resized', detail });
  }
  warnings.push(...enlarged('the master', picture, master, crop));
  for (const spec of [...finishSpec.renditions, ...finishSpec.deferred]) {
    warnings.push(...enlarged(`the rendition ${formatSize(spec)}.${spec.format}`, masterCrop, spec, crop));
  }
  return warnings;
}

function enlarged(name: string, from: Size, to: Size, strategy: CropStrategy): readonly Warning[] {
  const part = strategy === 'contain' ? from : coverCrop(from, to);
  const kept = Math.min(to.width / part.width, to.height / part.height);
  const factor = (strategy === 'contain' ? kept : enlargement(part, to)).toFixed(2);
  // A crop is whole pixels, so factors that round to 1 are no enlargement.
  if (Number(factor) <= 1) return [];
  return [{ code: 'enlarged', detail: `${name} is enlarged ${factor} times from ${formatSize(part)}` }];
}
