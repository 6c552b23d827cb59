import * as common from './expected.ts';

const error = (status: number, message: string): unknown[] => ['ResponseError', status, message];
const thought = [common.thought, common.greeting];
const json = '{"name": "Alice", "age": 30, "tags": ["a", "b"], "note": "say \\"hi\\""}';

/** @returns the expected values of ollama_sdk.py: over an OpenAI API nearly those of Ollama itself */
export function ollamaSdk(
  { utf8, vectors, oldVector, available }: common.Reference,
  backend: common.Backend,
): common.Expected {
  const isOllama = backend === 'ollama';
  // The second llamaduct names its models.
  const named = isOllama ? '' : available;
  const unknown = error(404, common.noModel + named);
  return {
    chat: { text: utf8, done: [true, 'stop'], is: ['scripted-utf8', 'assistant'], counted: true, took: true },
    chat_stream: { text: utf8, 'in pieces': true, done: ['stop'], counted: true, took: true },
    chat_limit: [common.cutText, 'length', 4],
    chat_stop: [common.stoppedText, 'stop'],
    chat_think: [thought, thought],
    chat_tools_loop: { calls: [common.paris], done: ['stop', 'stop'], text: common.weatherText },
    chat_tools_stream: common.parallel,
    chat_format: [json, json],
    generate: [common.plainText, 'stop', true],
    generate_stream: [...thought, ['stop']],
    load: ['', true, 'load'],
    embed: { same: true, vectors, old: isOllama ? oldVector : vectors[0], counted: true },
    listed: [true, ['scripted-plain:latest']],
    show: { capabilities: ['completion', 'tools'], tools: true },
    // The OpenAI API does not report loaded models.
    ps: isOllama ? ['scripted-plain:latest'] : [],
    abort: common.aborted,
    error_key: [error(401, common.wrongKey), error(401, common.wrongKey)],
    error_model: [
      unknown,
      unknown,
      unknown,
      error(404, common.noModelToEmbed + named),
      isOllama ? unknown : error(404, 'The model does not exist.'),
    ],
    // Over an OpenAI API the model gets the tools in its prompt.
    error_tools: isOllama ? error(400, 'registry.ollama.ai/library/scripted-json:latest does not support tools') : null,
    error_broken: error(isOllama ? 500 : 502, common.broken),
    // Ollama itself reports no error: its stream ends without a done line.
    error_midway: { error: error(-1, common.incompleteText), ended: false, began: true },
  };
}
