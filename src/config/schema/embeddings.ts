import { z } from 'zod';

/** `embeddings`: what clients send to /v1/embeddings. */
export const embeddings = z.strictObject({
  tokens: z
    .enum(['cl100k_base', 'o200k_base', 'refuse'])
    .default('cl100k_base')
    .describe(
      "OpenAI's encoding with which input that consists of token IDs is decoded to text, as LangChain sends it; other models have other tokens. refuse: such input gets a 400.",
    ),
});
