export type ImageType = 'png' | 'jpeg' | 'webp' | 'gif';

/** Number of leading bytes that {@link imageType} reads. */
export const sniffedBytes = 12;

/**
 * Detects the type of an image by its first bytes; names and media types are ignored.
 *
 * @returns undefined for any other content
 * @see https://mimesniff.spec.whatwg.org/#matching-an-image-type-pattern
 */
export function imageType(bytes: Uint8Array): ImageType | undefined {
  const head = Buffer.from(bytes.subarray(0, sniffedBytes)).toString('latin1');
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  if (head.startsWith('\xff\xd8\xff')) return 'jpeg';
  if (head.startsWith('RIFF') && head.startsWith('WEBP', 8)) return 'webp';
  if (head.startsWith('GIF87a') || head.startsWith('GIF89a')) return 'gif';
  return undefined;
}

/**
 * Detects a recording by its first bytes.
 *
 * @returns OpenAI's word for its encoding; undefined for any other content
 * @see https://mimesniff.spec.whatwg.org/#matching-an-audio-or-video-type-pattern
 */
export function audioFormat(bytes: Uint8Array): 'wav' | 'mp3' | 'ogg' | 'flac' | undefined {
  const head = Buffer.from(bytes.subarray(0, sniffedBytes)).toString('latin1');
  if (head.startsWith('RIFF') && head.startsWith('WAVE', 8)) return 'wav';
  // An ID3 tag, or the sync word of MPEG audio of layer III.
  if (head.startsWith('ID3') || /^\xff[\xf2\xf3\xfa\xfb]/.test(head)) return 'mp3';
  if (head.startsWith('OggS')) return 'ogg';
  return head.startsWith('fLaC') ? 'flac' : undefined;
}
