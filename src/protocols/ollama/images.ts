import type { Audio, Image } from '../../chat/request.ts';
import { audioFormat } from '../../images/sniff.ts';
import { readAudio } from '../audio.ts';
import { readImageData } from '../images.ts';

/** Reads a list of images, each the base64 of a file. Recordings are in the same list. */
export function readMedia(value: unknown, path: string): { images: Image[]; audio: Audio[] } {
  const images: Image[] = [];
  const audio: Audio[] = [];
  const items: readonly unknown[] = Array.isArray(value)
    ? value
    : [value].filter((item) => item != null && item !== '');
  items.forEach((item, index) => {
    const param = `${path}[${index}]`;
    const format = typeof item === 'string' ? audioFormat(Buffer.from(item.slice(0, 16), 'base64')) : undefined;
    if (format === undefined) images.push(readImageData(item, param));
    else audio.push(readAudio(item, format, param));
  });
  return { images, audio };
}
