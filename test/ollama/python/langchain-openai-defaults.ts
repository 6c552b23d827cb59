import * as common from './expected.ts';

/** @returns the expected values of langchain_openai_defaults.py, for either upstream */
export function langchainOpenaiDefaults({ utf8, vectors }: common.Reference): common.Expected {
  return {
    invoke: { text: utf8, done: 'stop', counted: true },
    tools_loop: { calls: [common.paris], text: common.weatherText },
    structured: Object.keys(common.alice).toSorted(),
    embed: vectors,
  };
}
