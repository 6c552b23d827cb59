const quote = 0x22;
const backslash = 0x5c;
/** `{` and `[` differ only in this bit, and so do `}` and `]`. */
const bracketBit = 0x20;
const openBracket = 0x7b;
const closeBracket = 0x7d;

/** Follows the nesting of JSON text that arrives in parts of any size. Does not check that the text is JSON. */
export class JsonScanner {
  /** Objects and arrays that are open; negative when too many were closed. */
  depth = 0;
  /** True within a string, after its opening quote. */
  inString = false;
  /** True once the outermost object or array was closed. */
  complete = false;
  #escaped = false;

  /** @param unit the next byte of UTF-8 or the next UTF-16 code unit: all characters that matter are ASCII */
  next(unit: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (this.inString) {
      if (unit === quote) this.inString = false;
      else this.#escaped = unit === backslash;
    } else if (unit === quote) this.inString = true;
    else if ((unit | bracketBit) === openBracket) this.depth += 1;
    else if ((unit | bracketBit) === closeBracket) {
      this.depth -= 1;
      this.complete ||= this.depth === 0;
    }
  }
}
