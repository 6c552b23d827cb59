import * as say from './expected.ts';

/** What langchain_chat.py is to print, whatever is behind llamaduct. */
export function langchainChat({ utf8, vectors }: say.Truth): say.Expected {
  return {
    invoke: { text: utf8, done: 'stop', counted: true },
    stream: [
      'Hello! I am a scripted model running inside a real Ollama server. Every token you see was picked',
      'length',
      true,
      20,
    ],
    thinking: [say.thought, say.greeting],
    tools_loop: { calls: [say.paris], text: say.weatherText },
    tools_stream: { calls: say.parallel, ids: 2 },
    structured: [say.alice, Object.keys(say.alice).toSorted()],
    embed: vectors,
    abort: say.aborted,
    error_key: ['ResponseError', 401, say.wrongKey],
    error_model: ['ResponseError', 404, say.noModel],
  };
}
