import type { Think } from './request.ts';

/** The words that clients use for how hard a model should think, by what they mean; undefined leaves it to the model. */
const wordsOf: readonly (readonly [think: Think | undefined, words: string])[] = [
  [undefined, ' default auto automatic adaptive dynamic unset undefined null inherit'],
  [false, 'none off disabled disable false no never zero 0'],
  [true, 'true on enabled enable yes 1'],
  ['low', 'low lowest minimal min minimum verylow xlow light lite little small tiny fast quick less least brief'],
  ['medium', 'medium med mid middle normal moderate standard balanced average regular'],
  ['high', 'high hard deep deeper large big heavy strong more much thorough intense'],
  [
    'max',
    'max xhigh maximum maximal highest hardest extrahigh veryhigh ultra ultrathink extreme extra huge full most unlimited',
  ],
];

const meanings: ReadonlyMap<string, Think | undefined> = new Map(
  wordsOf.flatMap(([think, words]) => words.split(' ').map((word) => [word, think] as const)),
);

function fold(word: string): string {
  return word.toLowerCase().replaceAll(/[\s_-]/g, '');
}

/** True for a word that says how hard to think, or that leaves it to the model. */
export function isThinkWord(word: string): boolean {
  return meanings.has(fold(word));
}

/** @returns the level that a word means; undefined when it leaves it to the model, or is unknown */
export function thinkOf(word: string): Think | undefined {
  return meanings.get(fold(word));
}
