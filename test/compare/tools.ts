import { equal, fail, ok } from 'node:assert/strict';
import type { ChatCompletion, ChatCompletionChunk } from 'openai/resources/chat/completions';

/** For each tool its only argument, and the values that the argument may have. */
const allowed: Readonly<Record<string, readonly [argument: string, values: readonly string[]]>> = {
  get_weather: ['city', ['Paris', 'Oslo']],
  get_time: ['zone', ['UTC', 'Asia/Tokyo']],
};

/** Two tools, as OpenAI's clients send them. */
export const bothTools = Object.entries(allowed).map(([name, [argument, values]]) => ({
  type: 'function',
  function: {
    name,
    parameters: {
      type: 'object',
      properties: { [argument]: { type: 'string', enum: values } },
      required: [argument],
      additionalProperties: false,
    },
  },
}));

/** A tool call, from a message or from a stream. */
export interface Call {
  readonly index: number | undefined;
  readonly id: string | undefined;
  readonly name: string;
  readonly arguments: string;
}

export function callsOf({ choices }: ChatCompletion): Call[] {
  return (choices[0]?.message.tool_calls ?? []).map((call) => {
    if (call.type !== 'function') fail(`a call of type ${call.type}`);
    return { index: undefined, id: call.id, ...call.function };
  });
}

/** @returns the calls of a stream: one for each delta, since Ollama sends calls whole */
export function callsIn(chunks: readonly ChatCompletionChunk[]): Call[] {
  return chunks
    .flatMap(({ choices }) => choices.flatMap(({ delta }) => delta.tool_calls ?? []))
    .map(({ index, id, function: call }) => ({
      index,
      id,
      name: call?.name ?? '',
      arguments: call?.arguments ?? '',
    }));
}

/** Asserts that there is one call, of one of these tools, whose arguments match its schema. */
export function assertValid(calls: readonly Call[], names: readonly string[]): void {
  equal(calls.length, 1, calls.length === 0 ? 'no call' : `${calls.length} calls`);
  const [call] = calls;
  ok(call !== undefined && names.includes(call.name), `a call of ${call?.name}`);
  const [argument, values] = allowed[call.name] ?? fail();
  const given = JSON.parse(call.arguments) as Record<string, unknown>;
  ok(values.includes(String(given[argument])), `a call with ${call.arguments}`);
}
