import * as say from './expected.ts';

const error = (status: number, message: string): unknown[] => ['ResponseError', status, message];
const thought = [say.thought, say.greeting];
const json = '{"name": "Alice", "age": 30, "tags": ["a", "b"], "note": "say \\"hi\\""}';

/** What ollama_sdk.py is to print: over an OpenAI API nearly what Ollama itself answers. */
export function ollamaSdk({ utf8, vectors, oldVector }: say.Truth, behind: say.Behind): say.Expected {
  const own = behind === 'ollama';
  const unknown = error(404, say.noModel);
  return {
    chat: { text: utf8, done: [true, 'stop'], is: ['scripted-utf8', 'assistant'], counted: true, took: true },
    chat_stream: { text: utf8, 'in pieces': true, done: ['stop'], counted: true, took: true },
    chat_limit: [say.cutText, 'length', 4],
    chat_stop: [say.stoppedText, 'stop'],
    chat_think: [thought, thought],
    chat_tools_loop: { calls: [say.paris], done: ['stop', 'stop'], text: say.weatherText },
    chat_tools_stream: say.parallel,
    chat_format: [json, json],
    generate: [say.plainText, 'stop', true],
    generate_stream: [...thought, ['stop']],
    load: ['', true, 'load'],
    embed: { same: true, vectors, old: own ? oldVector : vectors[0], counted: true },
    listed: [true, ['scripted-plain:latest']],
    show: { capabilities: ['completion', 'tools'], tools: true },
    // No OpenAI API tells what is loaded.
    ps: own ? ['scripted-plain:latest'] : [],
    abort: say.aborted,
    error_key: [error(401, say.wrongKey), error(401, say.wrongKey)],
    error_model: [
      unknown,
      unknown,
      unknown,
      error(404, say.noModelToEmbed),
      own ? unknown : error(404, 'The model does not exist.'),
    ],
    error_tools: error(400, 'registry.ollama.ai/library/scripted-json:latest does not support tools'),
    error_broken: error(own ? 500 : 502, say.broken),
    // Ollama itself tells of no error; it only ends without its last line.
    error_midway: { error: error(-1, say.incompleteText), ended: false, began: true },
  };
}
