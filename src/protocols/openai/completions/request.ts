import type { CompletionRequest, JsonObject } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { boolean, defined, integer, readObjectBody, string } from '../../fields.ts';
import { commonFields, readCommon, readIncludeUsage, repeatRequest } from '../request-fields.ts';

export interface ParsedCompletion {
  /** One for each prompt and each of `n`. */
  readonly requests: readonly [CompletionRequest, ...CompletionRequest[]];
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** True when each choice begins with its prompt. */
  readonly echo: boolean;
  /** Fields that have no effect. */
  readonly dropped: readonly string[];
}

const maxChoices = 128;

const knownFields: ReadonlySet<string> = new Set([
  ...commonFields,
  'prompt',
  'suffix',
  'raw',
  'echo',
  'logprobs',
  'think',
]);

/** A `best_of` that equals `n` asks for nothing. A larger one is unknown here, and so reported. */
const knownWithBestOf: ReadonlySet<string> = new Set([...knownFields, 'best_of']);

/**
 * Reads the body of a completion request. Besides OpenAI's fields it takes Ollama's own `options`, `keep_alive`, `think`
 * and `raw`. Without `think` the model is asked not to think: the answer has no field for it.
 *
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range
 * @see https://platform.openai.com/docs/api-reference/completions/create
 */
export function readCompletion(value: unknown): ParsedCompletion {
  const body = readObjectBody(value);
  const dropped = new DroppedFields();
  const settings = readSettings(body);
  const count = integer(body['n'], 'n', 1, maxChoices) ?? 1;
  const bestOf = integer(body['best_of'], 'best_of', 1, 20) ?? count;
  if (bestOf < count) throw invalidValue('best_of', 'best_of must be at least n.');
  const includeUsage = readIncludeUsage(body['stream_options'], dropped);
  dropped.addUnknown(body, bestOf === count ? knownWithBestOf : knownFields);
  const [first, ...others] = readPrompts(body['prompt']);
  if ((others.length + 1) * count > maxChoices) {
    throw invalidValue('prompt', `The number of prompts times n must be at most ${maxChoices}.`);
  }
  const requests = repeatRequest({ ...settings, prompt: first }, count);
  for (const prompt of others) requests.push(...repeatRequest({ ...settings, prompt }, count));
  return {
    requests,
    stream: boolean(body['stream'], 'stream') ?? false,
    includeUsage,
    echo: boolean(body['echo'], 'echo') ?? false,
    dropped: [...dropped.names],
  };
}

/** Reads the fields that are the same for every prompt. */
function readSettings(body: JsonObject): Omit<CompletionRequest, 'prompt'> {
  const common = readCommon(body);
  const logprobs = integer(body['logprobs'], 'logprobs', 0, 20);
  return {
    kind: 'completion',
    ...common,
    think: boolean(body['think'], 'think') ?? false,
    ...defined({
      suffix: string(body['suffix'], 'suffix') || undefined,
      raw: boolean(body['raw'], 'raw'),
      logprobs: logprobs === undefined ? undefined : { top: logprobs },
    }),
  };
}

function readPrompts(value: unknown): [string, ...string[]] {
  if (typeof value === 'string') return [value];
  if (!Array.isArray(value) || value.length === 0) {
    throw invalidValue('prompt', 'prompt must be a string or an array of strings.');
  }
  return value.map((prompt: unknown, index) => {
    if (typeof prompt === 'string') return prompt;
    const isTokens = typeof prompt === 'number' || Array.isArray(prompt);
    const reason = isTokens ? 'token IDs differ between models. Send the text itself.' : 'must be a string.';
    throw invalidValue('prompt', `prompt[${index}]: ${reason}`);
  }) as [string, ...string[]];
}
