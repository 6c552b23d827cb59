import { z } from 'zod';
import { duration, network, size } from './values.ts';

/** `images`: fetching of images that a request refers to by URL. */
export const images = z.strictObject({
  fetch: z
    .boolean()
    .default(false)
    .describe('true: http and https URLs are fetched; from private networks only if `allow` lists them.'),
  allow: z
    .array(network)
    .default([])
    .describe('Private networks from which images may be fetched, for example 10.1.2.0/24.'),
  ports: z
    .array(z.int().min(1).max(65535))
    .min(1)
    .default([80, 443])
    .describe('Ports from which images may be fetched.'),
  count: z.int().min(1).max(256).default(8).describe('Maximum number of image URLs in one request.'),
  bytes: size.prefault('20MiB').describe('Maximum size of an image.'),
  timeout: duration.prefault('10s').describe('Time to fetch one image, including redirects.'),
});
