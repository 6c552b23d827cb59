import type { Decoder } from '../../chat/stream.ts';
import type { Emit } from '../../chat/event.ts';
import { stoppedEarly } from '../../errors.ts';
import { LineSplitter } from '../../framing/ndjson.ts';
import { uniqueCallId } from '../call-ids.ts';
import { toText } from '../coerce.ts';
import { emitContent } from '../content.ts';
import { readLogprobs } from '../logprobs.ts';
import { passOnTokens, tokenOfLine } from './fast-path.ts';
import { type Line, contentOf, parseLine, toFunctionCall, toolCallsOf } from './line.ts';
import { readUsage } from './usage.ts';

/**
 * Reads the NDJSON of a streamed `/api/chat` or `/api/generate`. Servers do more than they document, as the recordings
 * show: the `done` line may carry content, thinking and tool calls; ids and indices of calls may be missing or repeat; a
 * stream may end cleanly without a `done` line; an error line comes with status 200.
 *
 * @see https://docs.ollama.com/api/chat
 */
export class OllamaDecoder implements Decoder {
  readonly #emit: Emit;
  readonly #lines: LineSplitter;
  readonly #callIds = new Set<string>();
  #done = false;

  /** @param maxLineBytes a longer line fails the response */
  constructor(emit: Emit, maxLineBytes: number) {
    this.#emit = emit;
    this.#lines = new LineSplitter(maxLineBytes, (lines) => this.#readLines(lines));
  }

  push(bytes: Buffer): void {
    // Nothing after the `done` line is part of the response.
    if (!this.#done) this.#lines.push(bytes);
  }

  end(): void {
    if (!this.#done) this.#lines.end();
    if (!this.#done) throw stoppedEarly();
  }

  #readLines(bytes: Buffer): void {
    if (this.#done) return;
    const { verbatim } = this.#emit;
    const lines = bytes.toString('utf8');
    for (let at = 0; at < lines.length && !this.#done;) {
      if (verbatim !== undefined) at = passOnTokens(lines, verbatim, at);
      const end = lines.indexOf('\n', at);
      const line = lines.slice(at, end === -1 ? undefined : end);
      if (line.trim() !== '') this.#readLine(line);
      at = end === -1 ? lines.length : end + 1;
    }
  }

  #readLine(json: string): void {
    if (this.#done) return;
    const token = tokenOfLine(json);
    if (token !== undefined) return emitContent(this.#emit, '', token, []);
    const line = parseLine(json);
    const { thinking, text, toolCalls } = contentOf(line);
    const logprobs = line.logprobs === undefined ? [] : readLogprobs(line.logprobs);
    emitContent(this.#emit, toText(thinking), toText(text), logprobs);
    if (toolCalls != null && !(Array.isArray(toolCalls) && toolCalls.length === 0)) this.#readToolCalls(json);
    if (line.done === true) this.#finish(line);
  }

  #readToolCalls(json: string): void {
    for (const call of toolCallsOf(json)) {
      this.#emit({ type: 'tool-call', id: uniqueCallId(call.id, this.#callIds), ...toFunctionCall(call) });
    }
  }

  #finish(line: Line): void {
    this.#done = true;
    const called = this.#callIds.size > 0 ? 'tool_calls' : 'stop';
    // A response that was cut at its length stays `length` with calls, too: the last call may be missing.
    const reason = line.done_reason === 'length' ? 'length' : called;
    this.#emit({ type: 'finish', reason, ...readUsage(line) });
  }
}
