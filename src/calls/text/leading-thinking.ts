import { partialLength } from '../../chat/filters/think-tags.ts';

const tags = ['<think>', '<thinking>'];
/** Characters of white space in front of an answer that are held back. */
const maxLeadingSpace = 256;

/** Finds the thinking that a model writes in tags at the beginning of its answer. */
export class LeadingThinking {
  /** The tag that ends it; '' outside of the thinking. */
  #end = '';

  get isOpen(): boolean {
    return this.#end !== '';
  }

  /**
   * Looks at the beginning of an answer, and opens the thinking if it is there.
   *
   * @returns undecided if more of the answer is needed, blank for too much white space
   */
  begin(text: string): 'undecided' | 'decided' | 'blank' {
    const begun = text.trimStart();
    if (text.length - begun.length > maxLeadingSpace) return 'blank';
    const tag = tags.find((one) => begun.startsWith(one));
    if (tag !== undefined) this.#end = `</${tag.slice(1)}`;
    return tag === undefined && tags.some((one) => one.startsWith(begun)) ? 'undecided' : 'decided';
  }

  /** @returns what belongs to the thinking, and the rest: what follows it, or what may begin its end while it is open */
  pass(text: string): { readonly passed: string; readonly rest: string } {
    const index = text.indexOf(this.#end);
    const end = index === -1 ? text.length - partialLength(text, this.#end) : index + this.#end.length;
    if (index !== -1) this.#end = '';
    return { passed: text.slice(0, end), rest: text.slice(end) };
  }
}
