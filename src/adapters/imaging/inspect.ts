import type { Metadata } from 'sharp';
import { ImageError } from '../../core/domain/errors.ts';
import { formatSize, type Size } from '../../core/domain/geometry.ts';
import type { Warning } from '../../core/domain/image.ts';
import { isSrgbProfile } from './colour/icc-profile.ts';
import { profilePng } from './colour/png-colour.ts';
import { type Container, type PictureFormat, readContainer } from './container.ts';
import { decodeGreys, decodePixels, decoderRefusal, firstLine, type RawInfo, readHeader } from './decode/decoder.ts';
import { withoutOpaqueAlpha } from './decode/pixels.ts';
import { withWorkLimit } from './decode/work-limit.ts';
import { type Candidate, findRepairs } from './repair/repair.ts';

/** A picture beyond one of these limits is refused. */
export interface DecodeLimits {
  readonly bytes: number;
  /** Width times height. */
  readonly pixels: number;
  /** Of processor time, and of time in which the process was awake. */
  readonly decodeSeconds: number;
  /** Pictures that share the processor time of this process now; default 1. */
  readonly sharers?: () => number;
}

/** A decoded original: upright, 8-bit sRGB, every pixel read. */
export interface Picture extends Size {
  readonly format: PictureFormat;
  /** Rows from the top; three bytes per pixel, or four with alpha. Their memory is freed by `freePixels`. */
  readonly pixels: Buffer;
  readonly channels: 3 | 4;
  /** True when any pixel is less than opaque; only then is there alpha. */
  readonly transparent: boolean;
  /** True when the original's bytes can be published as they are: intact, 8-bit sRGB or grey, upright, one frame. */
  readonly plain: boolean;
  /** What was done that the caller should know of. */
  readonly warnings: readonly Warning[];
}

/** Most ways in which a broken picture is tried. */
const MAX_CANDIDATES = 8;

const CLIPPED_HIGHLIGHTS: Warning = {
  code: 'highlights_clipped',
  detail: 'the picture came in HDR (PQ or HLG); light brighter than the white of a page became white',
};

/**
 * Decodes an original completely. Converts CMYK, 16 bits, palettes, other colour profiles, the colour chunks of PNG, EXIF rotation and
 * interlacing, and repairs what stands around the pixels; every row of them has to be there.
 *
 * Raises `ImageError` with `invalid_image` for animations, unknown formats, truncated or broken files, and pictures beyond the
 * limits, and with `internal_error` where the machine has no memory or time. Bytes and pixels are checked before anything is decoded.
 */
export async function readPicture(original: Uint8Array, limits: DecodeLimits): Promise<Picture> {
  if (original.byteLength > limits.bytes) {
    throw invalidImage(`the picture has ${original.byteLength} bytes, more than ${limits.bytes}`);
  }
  const bytes = Buffer.from(original.buffer, original.byteOffset, original.byteLength);
  const container = readContainer(bytes);
  const { data, info, ...decoded } = await withWorkLimit(
    limits.decodeSeconds,
    (late) => decodeOrRepair(container, bytes, limits, late),
    { sharers: limits.sharers },
  );
  const colours = info.channels === 4 ? await withoutOpaqueAlpha(data) : data;
  const transparent = colours === null;
  const flaw = container.flaw ?? decoded.refusal;
  return {
    format: container.format,
    width: info.width,
    height: info.height,
    pixels: colours ?? data,
    channels: transparent ? 4 : 3,
    transparent,
    plain: flaw === null && decoded.plain,
    warnings: [...(flaw === null ? [] : [repairedWarning(container, flaw)]), ...decoded.warnings],
  };
}

interface Decoded {
  readonly data: Buffer;
  readonly info: RawInfo;
  readonly plain: boolean;
  readonly warnings: readonly Warning[];
}

/** Decodes the picture as it is or, where the decoder refuses it, repaired; `refusal` is what the decoder said then. */
async function decodeOrRepair(
  container: Container,
  bytes: Buffer,
  limits: DecodeLimits,
  late: AbortSignal,
): Promise<Decoded & { readonly refusal: string | null }> {
  const candidates: Candidate[] = [{ bytes, failOn: 'warning' }];
  let refusal: unknown;
  // Repairs that are refused in turn may be repaired again.
  for (const candidate of candidates) {
    late.throwIfAborted();
    try {
      const decoded = await decode(container, candidate, limits);
      return { ...decoded, refusal: decoderRefusal(refusal) };
    } catch (error) {
      const reason = decoderRefusal(error);
      if (reason === null) throw error;
      refusal ??= error;
      for (const repaired of findRepairs(container.format, candidate.bytes, reason)) {
        if (candidates.length < MAX_CANDIDATES && !candidates.some((other) => isSame(other, repaired))) {
          candidates.push(repaired);
        }
      }
    }
  }
  throw refusal;
}

async function decode(container: Container, { bytes, failOn }: Candidate, limits: DecodeLimits): Promise<Decoded> {
  const header = await readHeader(bytes);
  refuseByHeader(container, header, limits);
  const profiled = container.format === 'png' ? profilePng(bytes, header.icc !== undefined) : null;
  const source = profiled?.bytes ?? bytes;
  const options = { failOn, maxPixels: limits.pixels };
  const hasProfile = profiled?.hasProfile ?? header.hasProfile;
  const { data, info } = profiled?.greys
    ? await decodeGreys(source, header, options, profiled.greys)
    : await decodePixels(source, { ...header, hasProfile }, options);
  return {
    data,
    info,
    plain: profiled === null && isPlain(header),
    warnings: profiled?.hdr ? [CLIPPED_HIGHLIGHTS] : [],
  };
}

function isSame(one: Candidate, other: Candidate): boolean {
  return one.failOn === other.failOn && one.bytes.equals(other.bytes);
}

function repairedWarning({ format }: Container, flaw: string): Warning {
  const detail = `the ${format} picture came with a flaw (${firstLine(flaw)}), but all of it could be read; no file is a copy of it`;
  return { code: 'repaired', detail };
}

function refuseByHeader(container: Container, header: Metadata, limits: DecodeLimits): void {
  const frames = header.pages ?? 1;
  const framed = container.format === 'gif' || container.format === 'webp';
  if (container.animated || (framed && frames > 1)) {
    throw invalidImage(`the picture is an animated ${container.format}; only still pictures can be used`);
  }
  if (header.width * header.height > limits.pixels) {
    throw invalidImage(`the picture is ${formatSize(header)}, more than ${limits.pixels} pixels`);
  }
}

function isPlain(header: Metadata): boolean {
  return (
    (header.pages ?? 1) === 1 &&
    (header.orientation ?? 1) === 1 &&
    // libvips calls the deeper variants of these two rgb16 and grey16.
    (header.space === 'srgb' || header.space === 'b-w') &&
    (header.icc === undefined || isSrgbProfile(header.icc))
  );
}

function invalidImage(detail: string): ImageError {
  return new ImageError('invalid_image', detail);
}
