// JSON as Go's encoding/json reads it into a struct, which is how Ollama reads requests. It differs from JSON.parse: names of
// fields match in any case, and a null leaves what an earlier field of the name has set.

export type Fields = Readonly<Record<string, unknown>>;

/** Go's folding: lower case, and the two characters outside ASCII that fold into it. */
function fold(name: string): string {
  return name.replaceAll('\u017f', 's').replaceAll('\u212a', 'k').toLowerCase();
}

/** The end of the JSON string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

/** The end of the JSON value that begins at `start`. */
function endOfValue(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length;) {
    const character = text[at] ?? '';
    if (depth === 0 && ',}]'.includes(character)) return at;
    if ('{['.includes(character)) depth += 1;
    if ('}]'.includes(character)) depth -= 1;
    at = character === '"' ? endOfString(text, at) : at + 1;
  }
  throw new SyntaxError('unexpected end of JSON input');
}

function skip(text: string, start: number, pattern: RegExp): number {
  const sticky = new RegExp(pattern, 'y');
  sticky.lastIndex = start;
  if (!sticky.test(text)) throw new SyntaxError(`invalid character at ${start}`);
  return sticky.lastIndex;
}

/**
 * The members of the first object in a text, in order and with repetitions. What follows the object is not read, as a Go decoder
 * does not read it.
 *
 * @throws {SyntaxError} if the text does not begin with an object
 */
export function membersOf(text: string): [name: string, value: unknown][] {
  const members: [string, unknown][] = [];
  let at = skip(text, 0, /[ \t\r\n]*\{[ \t\r\n]*/);
  while (text[at] !== '}') {
    if (members.length > 0) at = skip(text, at, /,[ \t\r\n]*/);
    const nameEnd = endOfString(text, at);
    const name = JSON.parse(text.slice(at, nameEnd)) as string;
    const valueStart = skip(text, nameEnd, /[ \t\r\n]*:[ \t\r\n]*/);
    at = endOfValue(text, valueStart);
    members.push([name, JSON.parse(text.slice(valueStart, at))]);
  }
  return members;
}

/**
 * Reads the first object of a text into a struct with these fields.
 *
 * @param maps those of the fields that are maps: a second value is merged into the first, and null empties them
 * @throws {SyntaxError} if the text does not begin with an object
 */
export function readStruct(text: string, fields: readonly string[], maps: readonly string[]): Fields {
  const read: Record<string, unknown> = {};
  for (const [name, value] of membersOf(text)) {
    const field = fields.find((candidate) => fold(candidate) === fold(name));
    if (field === undefined) continue;
    if (!maps.includes(field)) read[field] = value ?? read[field];
    else if (value === null) delete read[field];
    else read[field] = { ...(read[field] as object | undefined), ...(value as object) };
  }
  return read;
}
