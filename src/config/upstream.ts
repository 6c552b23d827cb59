import { z } from 'zod';

/** A server to stand in front of. */
export const upstream = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, 'expected up to 32 lower-case letters, digits, dashes or underscores')
    .default('ollama')
    .describe('The `upstream` label of the metrics.'),
  kind: z
    .enum(['ollama', 'openai'])
    .default('ollama')
    .describe('What it speaks. openai: vLLM, the server of llama.cpp, LM Studio, or a service with an OpenAI API.'),
  url: z
    .url({ protocol: /^https?$/, error: 'expected a URL such as http://127.0.0.1:11434' })
    .describe(
      'Where it listens: of an Ollama the address, of kind openai with the path that SDKs take as base URL, usually /v1. ' +
        'user:password becomes Basic authentication.',
    ),
  parallel: z
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe(
      'Requests it gets at a time, for an Ollama its OLLAMA_NUM_PARALLEL; all others wait in a fair queue. Absent: as many as come.',
    ),
  models_in_memory: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .describe('Models it holds at a time, for an Ollama its OLLAMA_MAX_LOADED_MODELS. Absent: learned.'),
  key_env: z
    .string()
    .regex(/^[A-Za-z_]\w*$/, 'expected the name of an environment variable')
    .optional()
    .describe("Names the environment variable that holds the upstream's own key, sent to it as a bearer token."),
});

export type UpstreamFileConfig = z.output<typeof upstream>;
