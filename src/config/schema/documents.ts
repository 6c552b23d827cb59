import { z } from 'zod';
import { duration, size } from './values.ts';

/** `documents`: PDFs in requests. */
export const documents = z.strictObject({
  extract: z
    .boolean()
    .default(false)
    .describe(
      'true: the text of PDFs in requests is sent to the model. false: they are left out, and listed in x-llamaduct-dropped.',
    ),
  count: z.int().min(1).max(256).default(8).describe('PDFs of one request that are read; of more, the last ones.'),
  pages: z.int().min(1).max(10_000).default(200).describe('Pages of a PDF that are read.'),
  characters: z
    .int()
    .min(1_000)
    .max(10_000_000)
    .default(500_000)
    .describe('Characters of the text of a PDF that are sent. A token has about four.'),
  bytes: size.prefault('20MiB').describe('Maximum size of a PDF. A larger one is left out.'),
  timeout: duration.prefault('10s').describe('Time to read a PDF. One that takes longer is left out.'),
});
