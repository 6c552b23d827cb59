// Where in a text a call is only shown: in code, in quotes, in a quoted line, in a chat log. Models do not call tools there.
// @see https://spec.commonmark.org/0.31.2/#fenced-code-blocks

/** Characters of a line that are kept: a longer one is no fence. */
const maxLine = 256;

/** The beginning of a line up to a fence: quotes, and items of lists. */
const fence = /^(?:[\s>]|[-*+]\s|\d{1,3}[.)]\s)*(`{3,}|~{3,})([^]*)$/;
/** Lines that are quotes, parts of tables, comments, or lines of a diff. */
const quotedLine = /^\s*(?:[>|]|(?:[-+*#;%]+|\/\/+)\s*$)/;
/** The name of a speaker in a chat log. */
const speaker =
  /^[^\p{L}\p{N}]*(?:user|human|system|assistant|model|agent|ai|bot|llm|tool)[^\p{L}\p{N}]*:[^\p{L}\p{N}]*$/iu;
/** A line of which more has to be seen: it has one word at most. */
const mayBeSpecial = /^[^\p{L}\p{N}]*[\p{L}\p{N}]*[^\p{L}\p{N}]*$/u;
const quotes = /["'“”„‘’«(=|]$|=\s*$/;
/** Code in Markdown, if there was other text before. */
const indented = /^(?: {4}|\t)\s*$/;
/** A line with nothing but a tag or a quotation mark, in front of what it encloses. */
const enclosing = /^\s*(?:<[A-Za-z][^<>]*>|["'“«]+)\s*$/;
/** Tags that models put around calls. */
const wrapper = /<(?:answer|response|output|assistant|action|tool_?use|tools?)\b/i;
/** True text in front of a call: the end of a sentence, of thinking, or nothing with letters. */
const sentenceEnd = /(?:^|[.!?。！？…]|<\/think(?:ing)?>)[^\p{L}\p{N}:=]*$/u;
/** A tag or the beginning of a here document of which more has to be seen. */
const unfinished = /[=(]\s?$|\\begin\{\w{0,3}$|<[^<>\s]{0,16}$|<<-?\s*["']?\w{0,16}$/;

const maxTail = 32;

const codeSpan = /(`+)[^`]*\1/g;
const blockStart =
  /"{3}|'{3}|<!--|<!\[CDATA\[|<(pre|code|samp|xmp|textarea|script)\b|<<-?\s*["']?([A-Z_]{2,16})\b|\\begin\{(?:[Vv]er|lst|min)|#\+begin_|#\+BEGIN_/;
const blockEnds: ReadonlyMap<string, string> = new Map([
  ['<!--', '-->'],
  ['<![CDATA[', ']]>'],
  ['#+begin_', '#+end_'],
  ['#+BEGIN_', '#+END_'],
  [String.raw`\begin{ver`, String.raw`\end{ver`],
  [String.raw`\begin{Ver`, String.raw`\end{Ver`],
  [String.raw`\begin{lst`, String.raw`\end{lst`],
  [String.raw`\begin{min`, String.raw`\end{min`],
]);

/**
 * Follows blocks that need no Markdown: strings and here documents of scripts, comments and code in HTML.
 *
 * @param open what ends the block in which the line begins; empty for none
 * @returns the same for the end of the line
 */
function blockEndAfter(line: string, open: string): string {
  let end = open;
  let rest = line.replaceAll(codeSpan, '');
  for (;;) {
    if (end !== '') {
      const found = end.startsWith('\n') ? (line.trim() === end.trim() ? 0 : -1) : rest.indexOf(end);
      if (found === -1) return end;
      rest = rest.slice(found + end.length);
      end = '';
    }
    const found = blockStart.exec(rest);
    if (found === null) return '';
    const [whole, tag, word] = found;
    end = tag === undefined ? (word === undefined ? (blockEnds.get(whole) ?? whole) : `\n${word}`) : `</${tag}`;
    rest = rest.slice(found.index + whole.length);
  }
}

/** Characters that make a difference, for a class of a regular expression. A quotation mark does, too. */
export const special = String.raw`\`~'“”„‘’«(=|>.!?。！？…`;

/** Finds characters that make a difference, as JSON has them. */
export const quoting = new RegExp(String.raw`[${special}]|\\"`);

/** Follows a text up to a place in it. How the text is divided makes no difference. */
export class Surroundings {
  /** The current line. */
  #line = '';
  /** The characters of the fence that is open. */
  #fence = '';
  /** The number of backticks that opened code within the line; 0 outside of it. */
  #inline = 0;
  /** The number of backticks directly before the place. */
  #run = 0;
  /** The last characters of the line. */
  #tail = '';
  #previous = '';
  /** What ends a block of several lines, such as a comment. */
  #blockEnd = '';
  #hasText = false;
  /** True within a template that began on a line before. */
  #isTemplate = false;
  /** See `isSettled`; undefined until it is asked for. */
  #settled: boolean | undefined;

  copy(): Surroundings {
    const copy = new Surroundings();
    copy.#line = this.#line;
    copy.#fence = this.#fence;
    copy.#inline = this.#inline;
    copy.#run = this.#run;
    copy.#tail = this.#tail;
    copy.#previous = this.#previous;
    copy.#blockEnd = this.#blockEnd;
    copy.#hasText = this.#hasText;
    copy.#isTemplate = this.#isTemplate;
    return copy;
  }

  /** True if a text in which `quoting` matches nothing makes no difference before the next line break. */
  get isSettled(): boolean {
    this.#settled ??=
      !unfinished.test(this.#tail) &&
      !this.isOwnSentence &&
      (this.#line.length >= maxLine || !mayBeSpecial.test(this.#line)) &&
      blockEndAfter(this.#line, this.#blockEnd) === '';
    return this.#settled;
  }

  /** True if a call cannot begin here. */
  get isQuoted(): boolean {
    if (this.#fence !== '' || this.#inlineNow !== 0) return true;
    if (blockEndAfter(this.#line, this.#blockEnd) !== '') return true;
    if (indented.test(this.#line) && this.#hasText) return true;
    if (this.#line.trim() === '' && enclosing.test(this.#previous) && !wrapper.test(this.#previous)) return true;
    return quotes.test(this.#tail) || quotedLine.test(this.#line) || speaker.test(this.#line);
  }

  /** True in a code block. */
  get isInFence(): boolean {
    return this.#fence !== '';
  }

  /** True where a call has no text in front of it on its line, but for whole sentences. */
  get isOwnSentence(): boolean {
    return sentenceEnd.test(this.#tail);
  }

  get #inlineNow(): number {
    if (this.#run === 0) return this.#inline;
    if (this.#inline === 0) return this.#run;
    return this.#inline === this.#run ? 0 : this.#inline;
  }

  /** A text that is not read follows, in which `quoting` matches nothing. A letter stands for it. */
  skip(): void {
    this.#endRun();
    this.#tail = 'x';
    if (this.#line.length < maxLine && !this.#line.endsWith('x')) this.#line += 'x';
  }

  add(text: string): void {
    for (let at = 0; at < text.length;) {
      const found = text.indexOf('\n', at);
      const end = found === -1 ? text.length : found;
      this.#addToLine(text.slice(at, end));
      if (found !== -1) this.#endLine();
      at = end + 1;
    }
  }

  #addToLine(text: string): void {
    if (text === '') return;
    this.#settled = undefined;
    if (this.#line.length < maxLine) this.#line += text.slice(0, maxLine - this.#line.length);
    this.#tail = (this.#tail + text).slice(-maxTail);
    if (this.#run === 0 && !text.includes('`')) return;
    for (const part of text.match(/`+|[^`]+/g) ?? []) {
      if (part.startsWith('`')) this.#run += part.length;
      else this.#endRun();
    }
  }

  #endRun(): void {
    this.#inline = this.#inlineNow;
    this.#run = 0;
  }

  #endLine(): void {
    this.#settled = undefined;
    const isTemplate = this.#inlineNow === 1 && (this.#inline === 1 ? this.#isTemplate : /[=(] ?`$/.test(this.#tail));
    this.#isTemplate = isTemplate;
    const [, marks = '', rest = ''] = fence.exec(this.#line) ?? [];
    const isLong = this.#line.length === maxLine;
    if (this.#line.trim() !== '') {
      this.#previous = this.#line;
      this.#hasText = true;
    }
    if (this.#fence === '') {
      this.#blockEnd = blockEndAfter(this.#line, this.#blockEnd);
      const isFence = marks !== '' && !(marks.startsWith('`') && rest.includes('`'));
      this.#fence = isFence ? marks : '';
    } else if (marks.startsWith(this.#fence) && rest.trim() === '' && !isLong) this.#fence = '';
    this.#line = '';
    this.#tail = '';
    // Code that spans lines is rare, a stray backtick is not, except for a template of JavaScript.
    this.#inline = isTemplate ? 1 : 0;
    this.#run = 0;
  }
}
