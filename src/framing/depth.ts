const quote = 0x22;
const backslash = 0x5c;
/** Of [ and {, which differ in a single bit. So do ] and }. */
const opening = 0x7b;
const closing = 0x7d;
const same = 0x20;

/** Bytes of a string that are read one by one, before the rest is searched: most strings are short, and some are images. */
const nearby = 64;

/**
 * Whether objects and arrays nest more than `max` deep in a text that may be JSON, as UTF-8. Before parsing: V8 takes
 * gigabytes and seconds for a body of nothing but brackets. A tenth of what parsing costs, and less of long strings.
 */
export function nestsDeeper(json: Uint8Array, max: number): boolean {
  // Most bodies have fewer brackets than that, in strings or not, and searching costs next to nothing.
  return opensMore(json, max) && reachesBeyond(json, max);
}

function opensMore(json: Uint8Array, max: number): boolean {
  let openings = 0;
  for (const bracket of [opening, opening & ~same]) {
    for (let at = json.indexOf(bracket); at !== -1; at = json.indexOf(bracket, at + 1)) {
      openings += 1;
      if (openings > max) return true;
    }
  }
  return false;
}

function reachesBeyond(json: Uint8Array, max: number): boolean {
  let depth = 0;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at] ?? 0;
    if (byte === quote) {
      at = endOfString(json, at);
    } else if ((byte | same) === opening) {
      depth += 1;
      if (depth > max) return true;
    } else if ((byte | same) === closing) {
      depth -= 1;
    }
  }
  return false;
}

/** Where the string that begins at `start` ends: its quote, or the end of all. */
function endOfString(json: Uint8Array, start: number): number {
  for (let at = start + 1; at < json.length;) {
    const near = Math.min(json.length, at + nearby);
    for (; at < near; at += 1) {
      const byte = json[at];
      if (byte === quote) return at;
      // What it escapes is passed as well.
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
