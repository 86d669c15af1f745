const SOI = Buffer.from('ffd8', 'hex');
const EOI = Buffer.from('ffd9', 'hex');
const [SOF0, SOF2, SOF10, SOF15, DHT, DAC, JPG, SOS, APP0, APP14] = [
  0xc0, 0xc2, 0xca, 0xcf, 0xc4, 0xcc, 0xc8, 0xda, 0xe0, 0xee,
];
/** Most scans whose end is tried in search of surplus bytes. */
const MAX_TRIES = 4;

/** A marker segment (ITU-T T.81, B.1.1), marker included; of a scan, its header. */
interface Segment {
  readonly marker: number;
  readonly bytes: Buffer;
  /** Of a scan: its entropy-coded data. */
  readonly scan: Buffer;
}

/**
 * The JPEG with what stands around its pixels put right: no bytes between the segments, known values in the headers, and an end marker
 * after the last scan. Where that is so already and the decoder still finds surplus bytes after a scan, the same without them,
 * for each scan that it may mean. Empty where scans are missing, which the decoder would not notice.
 */
export function repairJpeg(jpeg: Buffer, reason: string): readonly Buffer[] {
  const segments = readSegments(jpeg);
  if (!hasAllScans(segments)) return [];
  const repaired = write(segments.map(withKnownValues));
  if (!repaired.equals(jpeg)) return [repaired];
  const surplus = /\b(\d+) extraneous bytes before marker 0x([0-9a-f]{2})/.exec(reason);
  return surplus === null ? [] : withoutSurplus(segments, Number(surplus[1]), Number.parseInt(surplus[2] ?? '', 16));
}

/** All segments between SOI and EOI; ends where the bytes end, without the segment that they cut off. */
function readSegments(jpeg: Buffer): readonly Segment[] {
  const segments: Segment[] = [];
  let at = SOI.length;
  for (;;) {
    at = findMarker(jpeg, at);
    const marker = jpeg[at + 1] ?? 0xd9;
    if (marker === 0xd9 || at + 4 > jpeg.length) return segments;
    // TEM and restart markers stand alone.
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2;
      continue;
    }
    const end = at + 2 + jpeg.readUInt16BE(at + 2);
    if (end > jpeg.length) return segments;
    const scanEnd = marker === SOS ? findScanEnd(jpeg, end) : end;
    segments.push({ marker, bytes: jpeg.subarray(at, end), scan: jpeg.subarray(end, scanEnd) });
    at = scanEnd;
  }
}

/** Index of the next marker, at `from` or later; the length of the file where there is none. */
function findMarker(jpeg: Buffer, from: number): number {
  for (let at = jpeg.indexOf(0xff, from); at !== -1 && at + 1 < jpeg.length; at = jpeg.indexOf(0xff, at + 1)) {
    const next = jpeg[at + 1];
    if (next !== 0x00 && next !== 0xff) return at;
  }
  return jpeg.length;
}

/** Restart markers belong to the scan. */
function findScanEnd(jpeg: Buffer, from: number): number {
  for (let at = findMarker(jpeg, from); ; at = findMarker(jpeg, at + 2)) {
    const marker = jpeg[at + 1] ?? 0;
    if (at >= jpeg.length || marker < 0xd0 || marker > 0xd7) return at;
  }
}

/**
 * True when the scans bring every component, and in a progressive picture every bit of all its 64 coefficients (G.1.1.1): libjpeg
 * shows a picture without its last scans coarsely, or without colours, and finds nothing wrong.
 */
function hasAllScans(segments: readonly Segment[]): boolean {
  const frame = segments.find(({ marker }) => isFrame(marker));
  if (!frame || frame.bytes.length < 10) return false;
  const progressive = frame.marker === SOF2 || frame.marker === SOF10;
  const count = frame.bytes[9] ?? 0;
  /** By component: lowest bit that is there of each coefficient. */
  const bits = new Map<number, Uint8Array>();
  for (let index = 0; index < count; index += 1)
    bits.set(frame.bytes[10 + 3 * index] ?? -1, new Uint8Array(64).fill(99));
  for (const { marker, bytes, scan } of segments) {
    if (marker !== SOS || scan.length === 0) continue;
    const components = bytes[4] ?? 0;
    const [first = 0, last = 63, approximation = 0] = bytes.subarray(5 + 2 * components);
    for (let index = 0; index < components; index += 1) {
      const there = bits.get(bytes[5 + 2 * index] ?? -1);
      if (progressive) there?.fill(approximation & 15, first, Math.min(last, 63) + 1);
      else there?.fill(0);
    }
  }
  return bits.size > 0 && [...bits.values()].every((there) => there.every((bit) => bit === 0));
}

function isFrame(marker: number): boolean {
  return marker >= SOF0 && marker <= SOF15 && marker !== DHT && marker !== JPG && marker !== DAC;
}

/** The segment with the values that decoders assume where they warn of unknown ones. */
function withKnownValues(segment: Segment, _index: number, segments: readonly Segment[]): Segment {
  const { marker } = segment;
  const bytes = Buffer.from(segment.bytes);
  const frame = segments.find((other) => isFrame(other.marker));
  if (marker === APP0 && bytes.toString('latin1', 4, 8) === 'JFIF' && bytes.length > 10 && (bytes[9] ?? 0) > 2)
    bytes[9] = 1;
  // The transform of Adobe's segment: YCbCr for three components, YCCK for four.
  if (marker === APP14 && bytes.toString('latin1', 4, 9) === 'Adobe' && bytes.length >= 16 && (bytes[15] ?? 0) > 2) {
    bytes[15] = frame?.bytes[9] === 4 ? 2 : 1;
  }
  if (marker === SOS && frame && (frame.marker === SOF0 || frame.marker === SOF0 + 1)) {
    bytes.set([0, 63, 0], bytes.length - 3);
  }
  return { ...segment, bytes };
}

function withoutSurplus(segments: readonly Segment[], surplus: number, marker: number): readonly Buffer[] {
  const ends = segments.flatMap(({ scan }, index) =>
    scan.length > surplus && (segments[index + 1]?.marker ?? 0xd9) === marker ? [index] : [],
  );
  return ends
    .slice(-MAX_TRIES)
    .map((end) =>
      write(
        segments.map((segment, index) =>
          index === end ? { ...segment, scan: segment.scan.subarray(0, segment.scan.length - surplus) } : segment,
        ),
      ),
    );
}

function write(segments: readonly Segment[]): Buffer {
  return Buffer.concat([SOI, ...segments.flatMap(({ bytes, scan }) => [bytes, scan]), EOI]);
}
