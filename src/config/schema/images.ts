import { z } from 'zod';
import { duration, size } from './values.ts';

/** `images`: whether images that a chat refers to by URL are fetched, and from where. */
export const images = z.strictObject({
  fetch: z
    .boolean()
    .default(false)
    .describe('Whether http and https addresses are fetched; private ones only if allowed.'),
  allow: z
    .array(z.union([z.cidrv4(), z.cidrv6()], 'expected a network such as 10.1.2.0/24'))
    .default([])
    .describe('Private networks that may be fetched from, for example 10.1.2.0/24.'),
  ports: z.array(z.int().min(1).max(65535)).min(1).default([80, 443]).describe('Ports that may be fetched from.'),
  count: z.int().min(1).max(256).default(8).describe('Addresses in one request.'),
  bytes: size.prefault('20MiB').describe('The largest image.'),
  timeout: duration.prefault('10s').describe('For one image, redirects included.'),
});
