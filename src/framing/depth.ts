export const quote = 0x22;
const backslash = 0x5c;
/** `{` and `[` differ only in this bit, and so do `}` and `]`. */
const bracketBit = 0x20;
const openBracket = 0x7b;
const closeBracket = 0x7d;

/** Bytes of a string that are read one by one before a native search: most strings are short, and some are images. */
const shortString = 64;

/**
 * True when objects and arrays are nested more than `max` deep in JSON, or in text that looks like it. Call it before
 * parsing: V8 takes gigabytes and seconds for a body of nothing but brackets. It costs a tenth of what parsing costs, and less
 * for long strings, which it skips natively. (JsonScanner, which reads byte by byte, takes 20 times as long for an image.)
 *
 * @param json UTF-8
 */
export function nestsDeeper(json: Uint8Array, max: number): boolean {
  // Most bodies have fewer brackets than that, in strings or outside, and counting them costs next to nothing.
  return hasMoreBrackets(json, max) && exceedsDepth(json, max);
}

function hasMoreBrackets(json: Uint8Array, max: number): boolean {
  let count = 0;
  for (const bracket of [openBracket, openBracket & ~bracketBit]) {
    for (let at = json.indexOf(bracket); at !== -1; at = json.indexOf(bracket, at + 1)) {
      count += 1;
      if (count > max) return true;
    }
  }
  return false;
}

function exceedsDepth(json: Uint8Array, max: number): boolean {
  let depth = 0;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at] as number;
    if (byte === quote) {
      at = endOfString(json, at);
    } else if ((byte | bracketBit) === openBracket) {
      depth += 1;
      if (depth > max) return true;
    } else if ((byte | bracketBit) === closeBracket) {
      depth -= 1;
    }
  }
  return false;
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
