import * as common from './expected.ts';

/** @returns the expected values of langchain_chat.py, for either upstream */
export function langchainChat(reference: common.Reference, backend: common.Backend): common.Expected {
  const { utf8, vectors, available } = reference;
  return {
    invoke: { text: utf8, done: 'stop', counted: true },
    stream: [
      'Hello! I am a scripted model running inside a real Ollama server. Every token you see was picked',
      'length',
      true,
      20,
    ],
    thinking: [common.thought, common.greeting],
    tools_loop: { calls: [common.paris], text: common.weatherText },
    tools_stream: { calls: common.parallel, ids: 2 },
    structured: [common.alice, Object.keys(common.alice).toSorted()],
    embed: vectors,
    abort: common.aborted,
    error_key: ['ResponseError', 401, common.wrongKey],
    error_model: ['ResponseError', 404, common.noModel + (backend === 'ollama' ? '' : available)],
  };
}
