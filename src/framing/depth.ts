export const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const backslash = 0x5c;
/** `{` and `[` differ only in this bit, and so do `}` and `]`. */
const bracketBit = 0x20;
const openBracket = 0x7b;
const closeBracket = 0x7d;

/** Bytes of a string that are read one by one before a native search: most strings are short, and some are images. */
const shortString = 64;

/** Upper bounds for JSON. */
export interface JsonLimits {
  /** Nesting of objects and arrays. */
  readonly depth: number;
  /** Objects, arrays and everything in them, without the names of fields. */
  readonly values: number;
  /** Fields of one object. */
  readonly fields: number;
}

/**
 * Counts the values in JSON, or in text that looks like it. Call it before parsing: V8 takes gigabytes and seconds for a body
 * of nothing but brackets, and a thousand times its size for some other bodies. It costs a tenth of what parsing costs, and
 * less for long strings, which it skips natively. (JsonScanner, which reads byte by byte, takes 20 times as long for an image.)
 *
 * @param json UTF-8
 * @returns the number of values, in which an empty object or array counts twice; or the limit that is exceeded
 */
export function countValues(json: Uint8Array, limits: JsonLimits): number | keyof JsonLimits {
  /** Fields of each object around the current position. */
  const fields: number[] = [0];
  let [values, depth] = [1, 0];
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at] as number;
    if (byte === quote) {
      at = endOfString(json, at);
    } else if (byte === comma) {
      values += 1;
      if (values > limits.values) return 'values';
    } else if (byte === colon) {
      const count = (fields[depth] ?? 0) + 1;
      if (count > limits.fields) return 'fields';
      fields[depth] = count;
    } else if ((byte | bracketBit) === openBracket) {
      depth += 1;
      values += 1;
      fields[depth] = 0;
      if (depth > limits.depth) return 'depth';
      if (values > limits.values) return 'values';
    } else if ((byte | bracketBit) === closeBracket) {
      depth -= 1;
      // This is not JSON, and a parser reads no further.
      if (depth < 0) return values;
    }
  }
  return values;
}

/** @returns the index of the closing quote of the string that begins at `start`, or the length of the text */
export function endOfString(json: Uint8Array, start: number): number {
  for (let at = start + 1; at < json.length;) {
    const searchFrom = Math.min(json.length, at + shortString);
    for (; at < searchFrom; at += 1) {
      const byte = json[at];
      if (byte === quote) return at;
      // Skips the escaped byte as well.
      if (byte === backslash) at += 1;
    }
    const found = json.indexOf(quote, at);
    if (found === -1) return json.length;
    let escapes = 0;
    while (found - escapes > at && json[found - escapes - 1] === backslash) escapes += 1;
    if (escapes % 2 === 0) return found;
    at = found + 1;
  }
  return json.length;
}
