import { z } from 'zod';

const options = z.record(z.string(), z.unknown());

/** One entry of `models`: the operator's rules for the models that `match` matches. */
export const modelRule = z.strictObject({
  match: z.string().min(1).describe('A model, * for any text. The first rule that matches a model is the only one.'),
  options: options.optional().describe("Ollama's options where a request does not say, for example num_ctx: 16384."),
  pin: options
    .optional()
    .describe(
      'Options that no request changes, on any route. A pinned num_ctx keeps clients from reloading the model under each other.',
    ),
  keep_alive: z
    .union([z.string(), z.number()])
    .optional()
    .describe('How long the model stays loaded, whatever requests say: 10m, or seconds; -1 for ever.'),
  think: z
    .union([z.boolean(), z.enum(['low', 'medium', 'high', 'max'])])
    .optional()
    .describe('Whether and how hard to think where a request does not say.'),
  max_tokens: z.int().min(1).optional().describe('The longest answer a request may ask for, in tokens.'),
  system_prepend: z.string().min(1).optional().describe('A system message before those of a chat.'),
  system_append: z.string().min(1).optional().describe('A system message after those of a chat.'),
  hide_thinking: z.boolean().default(false).describe('Keeps the thinking out of answers of /v1.'),
  on_overflow: z
    .enum(['error', 'truncate'])
    .default('error')
    .describe('A prompt longer than the context is a 400, or is cut: then the answer has x-llamaduct-truncated.'),
});
