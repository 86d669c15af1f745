import PQueue from 'p-queue';
import { type Check, type CheckPolicy, DEFAULT_CHECKS } from '../../core/domain/checks.ts';
import { ImageError } from '../../core/domain/errors.ts';
import { sha256 } from '../../core/domain/file-names.ts';
import { type CropStrategy, findMasterFormat, type RenditionSpec } from '../../core/domain/formats.ts';
import { type Crop, coverCrop, enlargement, formatSize, type Size } from '../../core/domain/geometry.ts';
import type { Warning } from '../../core/domain/image.ts';
import type { FinishedFile, FinishedPicture, FinishSpec, InspectedPicture } from '../../core/ports/imaging.ts';
import type { FileSigner } from '../provenance/c2pa-signer.ts';
import { xmpPacket } from '../provenance/xmp.ts';
import { checkPicture } from './checks/checks.ts';
import { chooseCrop } from './crop-search.ts';
import { freePixels } from './decode/pixels.ts';
import { inspectInput } from './input.ts';
import { type DecodeLimits, type Picture, readPicture } from './inspect.ts';
import { makePreview } from './preview.ts';
import { renderFile } from './render.ts';
import { makeThumbnail } from './thumbnail.ts';

export interface ImagingOptions {
  /** Defaults: 64 MiB, 36 megapixels, 30 s. */
  readonly limits?: Partial<DecodeLimits>;
  /** The mode of each check; default `DEFAULT_CHECKS`. */
  readonly checks?: CheckPolicy;
  /** Background of `contain`: `#rrggbb` or `transparent`; default white. */
  readonly containBackground?: string;
  /**
   * Most pictures that are decoded, and most operations of sharp that run, at the same time; default 2. Each picture holds
   * its pixels in memory. Each operation occupies one of libuv's threads (four, unless `UV_THREADPOOL_SIZE` is set): stay at
   * least two below that number, since durable writes need the same threads. Each call of `finishDeferred` occupies one more.
   */
  readonly concurrency?: number;
  /** Signs every encoded file; without it they carry no C2PA manifest. */
  readonly signer?: FileSigner | null;
}

/** Finishing as the port `Imaging` promises, of bytes at hand. They are left unchanged. */
export interface PictureMaker {
  /** `onChecked` is called once the picture is decoded and has passed its checks. */
  finish(original: Uint8Array, spec: FinishSpec, onChecked?: () => void): Promise<FinishedPicture>;
  finishDeferred(
    original: Uint8Array,
    spec: FinishSpec,
    onFile: (file: FinishedFile) => Promise<void>,
  ): Promise<readonly Warning[]>;
  /** Of the original, or of the master where that is lost; that is then not signed, as it cannot name the original's manifest. */
  thumbnail(source: Uint8Array, spec: FinishSpec, isOriginal: boolean): Promise<FinishedFile>;
  inspect(bytes: Uint8Array): Promise<InspectedPicture>;
}

/** The pixel limit is twice the largest master that can be requested, and four times what today's models return. */
export const DEFAULT_LIMITS: DecodeLimits = { bytes: 64 * 1024 * 1024, pixels: 36_000_000, decodeSeconds: 30 };

/**
 * Imaging with sharp. Decoding, scaling and encoding run on libuv's threads; the checks, the preview, signing and hashing on the thread
 * that calls, which in the service is one of `threads.ts`. Errors while encoding, such as lack of memory, are raised unchanged,
 * not as `invalid_image`: they do not mean that the picture is bad.
 */
export function createImaging(options: ImagingOptions = {}): PictureMaker {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const { checks: policy = DEFAULT_CHECKS, containBackground = '#ffffff', signer = null } = options;
  const concurrency = options.concurrency ?? 2;
  const pictures = new PQueue({ concurrency });
  const operations = new PQueue({ concurrency });

  /** Makes the files of one original: encoded with `run`, then signed. */
  async function createFileMaker(original: Uint8Array, picture: Picture, spec: FinishSpec, run: Run, signs = true) {
    const xmp = xmpPacket(spec.provenance);
    const signing = signs ? await signer?.signerFor(original, picture, spec) : undefined;
    const masterCrop = await run(() => chooseCrop(picture, wholePicture(picture), spec.master, spec.crop));
    const frame = <S extends Size>(size: S) => ({ ...size, crop: spec.crop, containBackground });
    const make = async (file: RenditionSpec, crop: Crop) => {
      const rendered = await run(() => renderFile(picture, crop, frame(file), xmp));
      const made = (await signing?.sign(rendered, crop)) ?? rendered;
      return { ...made, sha256: sha256(made.bytes) };
    };
    return {
      masterCrop,
      master: () => make(spec.master, masterCrop),
      // A rendition shows what the master shows, but is made from the original's pixels, so nothing is scaled twice.
      rendition: async (rendition: RenditionSpec) =>
        make(rendition, await run(() => chooseCrop(picture, masterCrop, rendition, spec.crop))),
      preview: () => run(() => makePreview(picture, masterCrop, frame(spec.master))),
      thumbnail: async () => {
        const made = await makeThumbnail(picture, {
          crop: masterCrop,
          frame: frame(spec.master),
          // A long prompt would take the room of the picture.
          xmp: xmpPacket({ ...spec.provenance, prompt: null }),
          sign: signing && ((file) => signing.sign(file, masterCrop)),
          run,
        });
        return { ...made, sha256: sha256(made.bytes) };
      },
      /** Warnings from signing so far. */
      warnings: () => signing?.warnings ?? [],
    };
  }

  async function decodeAndCheck(original: Uint8Array, spec: FinishSpec, run: Run) {
    const picture = await run(() => readPicture(original, limits));
    const checks = checkPicture(picture, spec.requested, { ...policy, ...spec.checks });
    refuseRejected(checks);
    return { picture, checks };
  }

  async function finish(original: Uint8Array, asked: FinishSpec, onChecked = () => {}): Promise<FinishedPicture> {
    const run: Run = (operation) => operations.add(operation);
    const { picture, checks } = await decodeAndCheck(original, asked, run);
    onChecked();
    const spec = shapeOf(picture, asked);
    const make = await createFileMaker(original, picture, spec, run);
    const [master, renditions, preview, thumbnail] = await Promise.all([
      isMaster(picture, spec) ? asItCame(spec) : make.master(),
      Promise.all(spec.renditions.map(make.rendition)),
      make.preview(),
      make.thumbnail(),
    ]);
    // Not after a failure, when other operations may still read them.
    freePixels(picture.pixels);
    const warnings = [...findWarnings(picture, make.masterCrop, spec), ...make.warnings()];
    return { master, renditions, thumbnail, checks, ...preview, warnings };
  }

  async function finishDeferred(
    original: Uint8Array,
    asked: FinishSpec,
    onFile: (file: FinishedFile) => Promise<void>,
  ): Promise<readonly Warning[]> {
    const picture = await readPicture(original, limits);
    const spec = shapeOf(picture, asked);
    const make = await createFileMaker(original, picture, spec, (operation) => operation());
    for (const rendition of spec.deferred) await onFile(await make.rendition(rendition));
    freePixels(picture.pixels);
    return make.warnings();
  }

  async function thumbnail(source: Uint8Array, asked: FinishSpec, isOriginal: boolean): Promise<FinishedFile> {
    const picture = await readPicture(source, limits);
    const make = await createFileMaker(
      source,
      picture,
      shapeOf(picture, asked),
      (operation) => operation(),
      isOriginal,
    );
    const made = await make.thumbnail();
    freePixels(picture.pixels);
    return made;
  }

  return {
    finish: (original, spec, onChecked) => pictures.add(() => finish(original, spec, onChecked)),
    // Not queued here: slow renditions must not delay masters.
    finishDeferred,
    thumbnail,
    inspect: (bytes) => pictures.add(() => operations.add(() => inspectInput(bytes, limits))),
  };
}

/** Runs an operation of sharp, perhaps after a wait in a queue. */
type Run = <T>(operation: () => Promise<T>) => Promise<T>;

function asItCame({ master, provenance }: FinishSpec): FinishedFile {
  return { ...master, bytes: null, sha256: provenance.originalSha256 };
}

function wholePicture({ width, height }: Size): Crop {
  return { left: 0, top: 0, width, height };
}

function refuseRejected(checks: readonly Check[]): void {
  const rejected = checks.filter(({ verdict }) => verdict === 'reject');
  if (rejected.length === 0) return;
  const reasons = rejected.map(({ name, value, threshold }) => `${name} is ${value}, below ${threshold}`);
  throw new ImageError('invalid_image', `the picture did not pass its checks: ${reasons.join('; ')}`, { checks });
}

/** The spec, for a master of any shape with the picture's own size and format, where the picture can be published as it is. */
function shapeOf({ plain, format, width, height }: Picture, spec: FinishSpec): FinishSpec {
  const masterFormat = findMasterFormat(format);
  if (!spec.takesAnyShape || !plain || masterFormat === undefined) return spec;
  return { ...spec, requested: { width, height }, master: { width, height, format: masterFormat } };
}

/** True when the original's bytes are the master. */
function isMaster(picture: Picture, { master }: FinishSpec): boolean {
  return picture.plain && picture.format === master.format && isSameSize(picture, master);
}

function isSameSize(one: Size, other: Size): boolean {
  return one.width === other.width && one.height === other.height;
}

function findWarnings(picture: Picture, masterCrop: Crop, spec: FinishSpec): readonly Warning[] {
  const { requested, master, crop } = spec;
  const warnings: Warning[] = [...picture.warnings];
  // A picture of the requested size is cropped as planned, which needs no warning.
  if (!isSameSize(picture, requested)) {
    const part = `${crop === 'centre' ? 'the middle' : 'a part of'} ${formatSize(masterCrop)}`;
    const shown = isSameSize(picture, masterCrop) ? 'all' : part;
    const detail = `the picture came as ${formatSize(picture)}; ${shown} of it became the master of ${formatSize(master)}`;
    warnings.push({ code: 'resized', detail });
  }
  warnings.push(...enlarged('the master', picture, master, crop));
  for (const rendition of [...spec.renditions, ...spec.deferred]) {
    warnings.push(
      ...enlarged(`the rendition ${formatSize(rendition)}.${rendition.format}`, masterCrop, rendition, crop),
    );
  }
  return warnings;
}

/** A warning where `from` has fewer pixels than the file needs; none where it has enough. */
function enlarged(name: string, from: Size, to: Size, strategy: CropStrategy): readonly Warning[] {
  const part = strategy === 'contain' ? from : coverCrop(from, to);
  const kept = Math.min(to.width / part.width, to.height / part.height);
  const factor = (strategy === 'contain' ? kept : enlargement(part, to)).toFixed(2);
  // Crops are rounded to whole pixels, so a factor that rounds to 1 is no enlargement.
  if (Number(factor) <= 1) return [];
  return [{ code: 'enlarged', detail: `${name} is enlarged ${factor} times from ${formatSize(part)}` }];
}
