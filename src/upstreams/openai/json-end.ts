/** Follows the text of a JSON object piece by piece, and knows where it ends. Each character is looked at once. */
export class JsonEnd {
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** Whether the object is whole. */
  reached = false;

  push(text: string): void {
    for (const character of text) {
      if (this.#escaped) this.#escaped = false;
      else if (character === '\\') this.#escaped = this.#inString;
      else if (character === '"') this.#inString = !this.#inString;
      else if (this.#inString) continue;
      else if (character === '{' || character === '[') this.#depth += 1;
      else if (character === '}' || character === ']') {
        this.#depth -= 1;
        if (this.#depth === 0) this.reached = true;
      }
    }
  }
}
