import type { CompletionRequest, JsonObject } from '../../../chat/request.ts';
import { GatewayError, invalidValue } from '../../../errors.ts';
import { isObject } from '../../../framing/json.ts';
import { boolean, integer, optional, required, string } from '../../fields.ts';
import { choices, commonFields, readCommon, readIncludeUsage } from '../generation.ts';
import { DroppedFields } from '../../dropped-fields.ts';

export interface Completion {
  /** One for each prompt and each of `n`. */
  readonly requests: readonly [CompletionRequest, ...CompletionRequest[]];
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** Whether each choice begins with its prompt. */
  readonly echo: boolean;
  readonly dropped: readonly string[];
}

const maxChoices = 128;

const readFields: ReadonlySet<string> = new Set([
  ...commonFields,
  'prompt',
  'suffix',
  'raw',
  'echo',
  'logprobs',
  'think',
]);

/**
 * Reads the body of a completion request. Beside OpenAI's fields it takes Ollama's own `options`, `keep_alive`, `think`
 * and `raw`. Without `think` the model is asked not to think: the answer has no place for it.
 *
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range
 * @see https://platform.openai.com/docs/api-reference/completions/create
 */
export function readCompletion(body: unknown): Completion {
  if (!isObject(body)) throw new GatewayError('invalid_value', 'The request body must be a JSON object.');
  const ledger = new DroppedFields();
  const { model, ...common } = readCommon(body);
  const logprobs = integer(body['logprobs'], 'logprobs', 0, 20);
  const shared = {
    kind: 'completion' as const,
    model,
    ...common,
    think: boolean(body['think'], 'think') ?? false,
    ...optional('suffix', string(body['suffix'], 'suffix') || undefined),
    ...optional('raw', boolean(body['raw'], 'raw')),
    ...optional('logprobs', logprobs === undefined ? undefined : { top: logprobs }),
  };
  const count = integer(body['n'], 'n', 1, maxChoices) ?? 1;
  const bestOf = integer(body['best_of'], 'best_of', 1, 20) ?? count;
  if (bestOf < count) throw invalidValue('best_of', 'best_of must be at least n.');
  const includeUsage = readIncludeUsage(body['stream_options'], ledger);
  ledger.noteUnread(bestOf === count ? omit(body, 'best_of') : body, readFields);
  const prompts = readPrompts(body['prompt']);
  if (prompts.length * count > maxChoices) {
    throw invalidValue('prompt', `The number of prompts times n must be at most ${maxChoices}.`);
  }
  const [first, ...others] = prompts.map((prompt) => choices({ ...shared, prompt }, count));
  return {
    requests: [...required(first, 'prompt'), ...others.flat()],
    stream: boolean(body['stream'], 'stream') ?? false,
    includeUsage,
    echo: boolean(body['echo'], 'echo') ?? false,
    dropped: ledger.dropped,
  };
}

function omit(body: JsonObject, field: string): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([name]) => name !== field));
}

function readPrompts(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (!Array.isArray(value) || value.length === 0) {
    throw invalidValue('prompt', 'prompt must be a string or an array of strings.');
  }
  return value.map((prompt: unknown, index) => {
    if (typeof prompt === 'string') return prompt;
    const tokens = typeof prompt === 'number' || Array.isArray(prompt);
    const why = tokens ? 'token IDs differ between models. Send the text itself.' : 'must be a string.';
    throw invalidValue('prompt', `prompt[${index}]: ${why}`);
  });
}
