import * as common from './expected.ts';

/** @returns the expected values of langchain_openai_defaults.py, for either upstream */
export function langchainOpenaiDefaults({ utf8, vectors }: common.Reference): common.Expected {
  return {
    invoke: { text: utf8, done: 'stop', counted: true },
    tools_loop: { calls: [common.paris], text: common.weatherText },
    structured: ['age', 'name'],
    // The package asks for base64, which holds numbers of 32 bits.
    embed: vectors.map((vector) => vector.map(Math.fround)),
  };
}
