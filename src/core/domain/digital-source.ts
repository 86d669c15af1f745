/** IPTC NewsCode of a picture made by a model that was trained on sampled data. */
export const TRAINED_ALGORITHMIC_MEDIA =
  'http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia' as const;
/** IPTC NewsCode of a picture made by an algorithm alone, without training data. */
export const ALGORITHMIC_MEDIA = 'http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia' as const;

/** What the pictures of a provider are, as an IPTC NewsCode (http://cv.iptc.org/newscodes/digitalsourcetype). */
export const DIGITAL_SOURCE_TYPES = [TRAINED_ALGORITHMIC_MEDIA, ALGORITHMIC_MEDIA] as const;
export type DigitalSourceType = (typeof DIGITAL_SOURCE_TYPES)[number];

/** What an original is, and every file made from it: where its record does not say, it was made by a model. */
export function digitalSourceTypeOf({
  digitalSourceType,
}: {
  readonly digitalSourceType?: DigitalSourceType;
}): DigitalSourceType {
  return digitalSourceType ?? TRAINED_ALGORITHMIC_MEDIA;
}
