import { z } from 'zod';
import { modelPattern } from './values.ts';

const options = z.record(z.string(), z.unknown());

/** One entry of `models`: the operator's rules for the models that `match` matches. */
export const modelRule = z.strictObject({
  match: modelPattern.describe(
    'Model name or pattern; * matches any text. Only the first rule that matches a model applies.',
  ),
  options: options
    .optional()
    .describe("Default values of Ollama's options, for example num_ctx: 16384. Options in a request take precedence."),
  pin: options
    .optional()
    .describe(
      'Fixed values of options, which requests cannot change. Without a fixed num_ctx, each client that uses another value makes Ollama reload the model.',
    ),
  keep_alive: z
    .union([z.string(), z.number()])
    .optional()
    .describe(
      'How long the model stays loaded, for example 10m or a number of seconds; -1: forever. Requests cannot change it.',
    ),
  any_keep_alive: z
    .boolean()
    .default(false)
    .describe(
      'true: requests of every key may unload the model at once (keep_alive: 0) or keep it loaded for more than a day (-1). false: only keys with the admin scope may; otherwise the value is ignored and listed in x-llamaduct-dropped.',
    ),
  think: z
    .union([z.boolean(), z.enum(['low', 'medium', 'high', 'max'])])
    .optional()
    .describe('Default for thinking: on, off, or a level.'),
  max_tokens: z
    .int()
    .min(1)
    .optional()
    .describe(
      'Maximum tokens of one response. It replaces a higher value in a request and applies when there is none.',
    ),
  repetition_guard: z
    .enum(['off', 'constrained', 'always'])
    .optional()
    .describe(
      'Ends a response that only repeats itself, for 2,000 characters, as if it had reached its maximum length. constrained: only responses in JSON, where a model that never closes a string repeats itself until its context is full. always: all. Default: constrained.',
    ),
  system_prepend: z.string().min(1).optional().describe('System message to add before those of the request.'),
  system_append: z.string().min(1).optional().describe('System message to add after those of the request.'),
  hide_thinking: z.boolean().default(false).describe('true: responses do not contain the thinking.'),
  think_tags: z
    .enum(['keep', 'split'])
    .default('keep')
    .describe(
      'split: a <think> block at the beginning of the content is the thinking, for models whose server does not separate it.',
    ),
  tools: z
    .enum(['emulate', 'drop', 'refuse'])
    .optional()
    .describe(
      "For requests with tools to a model that takes none, as its server reports or says by refusing them. emulate: a system message describes the tools, and calls in the text of the response become tool calls. drop: the model gets no tools. refuse: the request gets a 400. The header x-llamaduct-tools names what was done. Absent: emulate, but only once the server has refused the tools; Ollama's own API then gets the refusal of Ollama.",
    ),
  repair_tools: z
    .int()
    .min(0)
    .max(3)
    .default(0)
    .describe(
      'How often the model is asked again when its tool call is wrong and cannot be mended: broken JSON, an unknown tool, or arguments that do not match the schema of the tool. Responses to requests with tools are then sent when they are complete. The tokens of every attempt count.',
    ),
  validate_json: z.boolean().optional().describe('Overrides the setting validate_json for these models.'),
  on_overflow: z
    .enum(['error', 'truncate'])
    .optional()
    .describe(
      "For a prompt longer than the context. error: the request gets a 400. truncate: the prompt is cut, and the response has the header x-llamaduct-truncated. Absent: error, and on Ollama's own API what Ollama does, which is to cut it. A request that sets truncate itself takes precedence.",
    ),
});
