import type { CompletionRequest } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { repeatRequest } from '../../choices.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { extraFields, readFields } from '../../field-table.ts';
import { defined, readObjectBody } from '../../fields.ts';
import { readSettings } from '../../settings.ts';
import { readThinking } from '../../thinking.ts';
import { readIncludeUsage } from '../request-fields.ts';
import { textCompletionFields } from './fields.ts';

export interface ParsedCompletion {
  /** One for each prompt and each of `n`. */
  readonly requests: readonly [CompletionRequest, ...CompletionRequest[]];
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** True when each choice begins with its prompt. */
  readonly echo: boolean;
  /** Fields that have no effect. */
  readonly dropped: readonly string[];
  readonly spellings?: ReadonlyMap<string, string> | undefined;
}

const maxChoices = 128;

/**
 * Reads the body of a completion request. Besides OpenAI's fields it takes Ollama's own, such as `options`, `think` and
 * `raw`. Without `think` the model is asked not to think: the answer has no field for it.
 *
 * @throws {GatewayError} 400 with `param` for a field that cannot be read, and for two that contradict each other
 * @see https://platform.openai.com/docs/api-reference/completions/create
 */
export function readCompletion(value: unknown): ParsedCompletion {
  const dropped = new DroppedFields();
  const body = readObjectBody(value);
  const values = readFields(textCompletionFields, body, dropped);
  const count = values.n ?? 1;
  // It asks for the best of several answers, of which only more than the `n` best are lost.
  const { best_of: bestOf } = body;
  // Number() throws for some objects.
  if (typeof bestOf !== 'object' && Number(bestOf) <= count) dropped.names.delete('best_of');
  const { think = false } = readThinking(values, dropped);
  const settings = {
    kind: 'completion' as const,
    model: values.model ?? '',
    ...readSettings(values, dropped),
    think,
    ...extraFields(textCompletionFields, values),
    ...defined({
      keepAlive: values.keep_alive,
      suffix: values.suffix || undefined,
      raw: values.raw,
      logprobs: values.logprobs === undefined ? undefined : { top: values.logprobs },
    }),
  };
  const [first, ...others] = readPrompts(values.prompt);
  if ((others.length + 1) * count > maxChoices) {
    throw invalidValue('prompt', `The number of prompts times n must be at most ${maxChoices}.`);
  }
  const requests = repeatRequest({ ...settings, prompt: first }, count);
  for (const prompt of others) requests.push(...repeatRequest({ ...settings, prompt }, count));
  return {
    requests,
    stream: values.stream ?? false,
    includeUsage: readIncludeUsage(values.stream_options),
    echo: values.echo ?? false,
    ...dropped.report(),
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
