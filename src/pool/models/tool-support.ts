import type { ModelInfo } from '../../chat/backend.ts';

/** Models that are remembered. A name that no server lists may be anything. */
const maxModels = 256;
/** Milliseconds for which a refusal is remembered: the server may be started again with other settings. */
const rememberedFor = 600_000;

interface Refusal {
  /** Milliseconds on the clock of `performance.now()`. */
  readonly at: number;
  /** When the model was last changed, in Unix seconds; undefined if the server does not list it. */
  readonly modified: number | undefined;
}

/** The models of one server that have refused tools, so that further requests with tools need not be refused first. */
export class ToolSupport {
  readonly #refusals = new Map<string, Refusal>();
  readonly #find: (model: string) => ModelInfo | undefined;
  readonly #now: () => number;

  /**
   * @param find returns a model as the server lists it
   * @param now returns milliseconds
   */
  constructor(find: (model: string) => ModelInfo | undefined, now: () => number = () => performance.now()) {
    this.#find = find;
    this.#now = now;
  }

  /** Called when the server refused tools for a model. */
  refused(model: string): void {
    this.#refusals.delete(model);
    this.#refusals.set(model, { at: this.#now(), modified: this.#find(model)?.modified });
    const [oldest] = this.#refusals.keys();
    if (this.#refusals.size > maxModels && oldest !== undefined) this.#refusals.delete(oldest);
  }

  /** True if the model refused tools a while ago, and has not changed since. */
  lacks(model: string): boolean {
    const refusal = this.#refusals.get(model);
    if (refusal === undefined) return false;
    const modified = this.#find(model)?.modified;
    // The list may not have been read when the model refused.
    if (refusal.modified === undefined && modified !== undefined) this.#refusals.set(model, { ...refusal, modified });
    const isSame = refusal.modified === undefined || refusal.modified === modified;
    const isValid = isSame && this.#now() - refusal.at < rememberedFor;
    if (!isValid) this.#refusals.delete(model);
    return isValid;
  }
}
