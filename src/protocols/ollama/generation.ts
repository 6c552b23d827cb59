import type { GenerationRequest } from '../../chat/request.ts';
import type { DroppedFields } from '../dropped-fields.ts';
import type { Values } from '../field-table.ts';
import { defined } from '../fields.ts';
import { readSettings } from '../settings.ts';
import { readThinking } from '../thinking.ts';
import type { commonFields } from './fields.ts';

/** Ollama's names of fields, by their names in OpenAI's chat completions. */
export const fieldNames = {
  'messages.content.image_url': 'images',
  'messages.content.input_audio': 'images',
  reasoning_effort: 'think',
  response_format: 'format',
} as const;

type CommonValues = Values<typeof commonFields>;

/** @returns the fields that `/api/chat` and `/api/generate` share; an absent model as '': there may be a default */
export function toCommon(values: CommonValues, dropped: DroppedFields): Omit<GenerationRequest, 'kind'> {
  const { think } = readThinking(values, dropped);
  return {
    model: values.model ?? '',
    ...readSettings(values, dropped),
    ...defined({
      format: values.format,
      think,
      logprobs: readLogprobs(values, dropped),
      keepAlive: values.keep_alive,
      truncate: values.truncate,
    }),
  };
}

/** Ollama ignores `top_logprobs` without `logprobs`. */
function readLogprobs(
  { logprobs, top_logprobs: top = 0 }: CommonValues,
  dropped: DroppedFields,
): GenerationRequest['logprobs'] | undefined {
  if (logprobs === true) return { top };
  if (top > 0) dropped.names.add('top_logprobs');
  return undefined;
}
