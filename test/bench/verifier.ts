import { latin1, parseChunk, quoted, scanChunk } from './chunk.ts';
import { type Load, stampLength, tokensOf } from './model.ts';

/** Measurements of one or more streams. Times in microseconds. */
export interface Measured {
  /** From the request to the first text. */
  readonly firsts: number[];
  /** Between reads with text. */
  readonly gaps: number[];
  /** From the upstream's write of a stamped token to the client's read. */
  readonly transits: number[];
}

export interface StreamVerifier {
  /** @param text a chunk of the body as Latin-1 @param now microsecond at which it was read */
  feed(text: string, now: number): void;
  /** Call at the end of the stream. @returns the first mismatch; undefined when the stream was correct */
  mismatch(): string | undefined;
}

export interface VerifierOptions {
  readonly start: number;
  /** Receives the measurements. Absent: nothing is measured, and every event is parsed as JSON. */
  readonly into?: Measured;
}

/** The text of an answer, and its tokens: UTF-8, with one character for each byte. */
export interface Expected {
  readonly stamped: boolean;
  readonly tokens: readonly string[];
  readonly text: string;
}

export function expectedOf(load: Load): Expected {
  const tokens = tokensOf(load).map(latin1);
  return { stamped: load.stamped, tokens, text: tokens.join('') };
}

/** Microseconds: no token takes longer, so a stamp that says so is wrong. */
const longestTransit = 120_000_000;

/** Compares a stream of chat completion chunks with the expected one: its whole text, its finish_reason, and `[DONE]`. */
export function streamVerifier(expected: Expected, { start, into }: VerifierOptions): StreamVerifier {
  let mismatch: string | undefined;
  let line = '';
  let [position, token] = [0, 0];
  /** Text that is not yet compared: the beginning of a token. */
  let pending = '';
  let last = 0;
  let finish: string | undefined;
  let done = false;
  const fail = (text: string): void => void (mismatch ??= text);

  const takeStamped = (text: string, now: number): void => {
    pending += text;
    for (;;) {
      const next = expected.tokens[token];
      if (next === undefined) return pending === '' ? undefined : fail('text after the last token');
      if (pending.length < stampLength + next.length) return;
      const transit = now - Number(pending.slice(0, stampLength));
      if (!(transit >= 0 && transit < longestTransit)) return fail(`token ${token} has no stamp`);
      if (!pending.startsWith(next, stampLength))
        return fail(`token ${token} is ${quoted(pending.slice(stampLength))}`);
      into?.transits.push(transit);
      pending = pending.slice(stampLength + next.length);
      token += 1;
    }
  };
  const takePlain = (text: string): void => {
    if (!expected.text.startsWith(text, position)) fail(`byte ${position} of the text: ${quoted(text)}`);
    position += text.length;
  };
  const take = (text: string, now: number): void => {
    if (finish !== undefined) fail('text after the finish_reason');
    if (last === 0) into?.firsts.push(now - start);
    else if (now !== last) into?.gaps.push(now - last);
    last = now;
    if (expected.stamped) takeStamped(text, now);
    else takePlain(text);
  };
  const event = (data: string, now: number): void => {
    if (done) return fail('an event after [DONE]');
    if (data === '[DONE]') {
      done = true;
      return;
    }
    const { content, reason } = into === undefined ? parseChunk(data) : scanChunk(data);
    if (content !== '') take(content, now);
    if (reason === undefined) return;
    if (finish !== undefined) fail('a second finish_reason');
    finish = reason;
  };
  return {
    feed(chunk, now) {
      let at = 0;
      for (let stop = chunk.indexOf('\n'); stop >= 0; stop = chunk.indexOf('\n', at)) {
        const complete = line + chunk.slice(at, stop);
        line = '';
        at = stop + 1;
        if (complete.startsWith('data:') && mismatch === undefined) event(complete.slice(5).trim(), now);
      }
      line += chunk.slice(at);
    },
    mismatch() {
      if (mismatch !== undefined) return mismatch;
      const complete = expected.stamped
        ? token === expected.tokens.length && pending === ''
        : position === expected.text.length;
      if (!complete) return 'the text is incomplete';
      if (finish !== 'stop') return `finish_reason is ${finish ?? 'missing'}`;
      return done ? undefined : '[DONE] is missing';
    },
  };
}

/** Compares a body that is not streamed with the expected answer. @returns the mismatch; undefined when it is correct */
export function bodyMismatch(expected: Expected, body: string): string | undefined {
  const { choices } = JSON.parse(Buffer.from(body, 'latin1').toString()) as {
    choices?: readonly { message?: { content?: string }; finish_reason?: string }[];
  };
  const [{ message, finish_reason: reason } = {}, ...more] = choices ?? [];
  if (more.length > 0 || latin1(message?.content ?? '') !== expected.text) return 'the text differs';
  return reason === 'stop' ? undefined : `finish_reason is ${reason ?? 'missing'}`;
}
