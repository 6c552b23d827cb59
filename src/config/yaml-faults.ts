import type { YAMLParseError } from 'yaml';

/** The faults of a YAML text in plain words, by the parser's own code. Others keep the parser's message. */
const words: Readonly<Record<string, string>> = {
  BAD_ALIAS: 'an alias such as *name needs a name, and an anchor &name before it',
  BAD_DQ_ESCAPE: 'this backslash sequence is not known; write \\\\ for a backslash, or use single quotes',
  BAD_INDENT: 'the indentation of this line fits no line above',
  BAD_SCALAR_START: 'a value that begins with this character must be in quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'a second value for this name; put text with a colon in quotes, and check the indentation below',
  BLOCK_IN_FLOW: 'lists with dashes and indented maps are not possible inside [ ] or { }',
  DUPLICATE_KEY: 'this name is already used in the same map',
  KEY_OVER_1024_CHARS: 'the colon after this name is missing',
  MISSING_CHAR: 'a bracket, brace, comma or colon is missing',
  MULTILINE_IMPLICIT_KEY: 'the colon after this name is missing, or a quote before it is not closed',
  MULTIPLE_DOCS: 'only one document is read; remove the line with ---',
  NON_STRING_KEY: 'a name must be a text',
  TAB_AS_INDENT: 'this line is indented with a tab; use spaces',
  TAG_RESOLVE_FAILED: 'this tag is not known; put a value that begins with ! in quotes',
  UNEXPECTED_TOKEN:
    'this text is unexpected here; check the indentation, brackets and quotes of this line and of the one above',
};

/** The parser has one code for several faults. */
const wordsByMessage: readonly (readonly [message: RegExp, words: string])[] = [
  [/^Missing closing .quote/, 'a quote is not closed'],
  [/without - indicator/, 'the indentation of this line fits no line above, or a dash is missing'],
  [/followed by map values/, 'the colon after this name is missing'],
  [/^Flow (map|sequence) .*end with/, 'a bracket [ or a brace { is not closed'],
  [/^A block sequence may not/, 'a list where the settings of a map are expected'],
];

/**
 * Describes the faults of a YAML text. Of its structure, only the first fault is described: the others follow from it.
 *
 * @returns the faults in the order of the text
 */
export function yamlFaults(errors: readonly YAMLParseError[]): { readonly offset: number; readonly message: string }[] {
  const structural = errors.find(({ code }) => code !== 'DUPLICATE_KEY');
  return errors
    .filter((error) => error.code === 'DUPLICATE_KEY' || error === structural)
    .map(({ code, message, pos }) => ({ offset: pos[0], message: inWords(code, message) }));
}

function inWords(code: string, message: string): string {
  return wordsByMessage.find(([pattern]) => pattern.test(message))?.[1] ?? words[code] ?? message;
}
