import { latin1, parseChunk, quoted, scanChunk } from './chunk.ts';
import { type Load, stampLength, tokensOf } from './model.ts';

/** What is measured of a stream, or of many: times in microseconds. */
export interface Measured {
  /** From the request to the first text. */
  readonly firsts: number[];
  /** Between reads that brought text. */
  readonly gaps: number[];
  /** From the write of the upstream to the read of the client, of stamped tokens. */
  readonly transits: number[];
}

export interface StreamVerifier {
  /** A piece of the body, Latin-1, and the microsecond it came at. */
  feed(text: string, now: number): void;
  /** @returns what was wrong with the stream, now that it has ended */
  fault(): string | undefined;
}

export interface VerifierOptions {
  readonly start: number;
  /** Absent: nothing is measured, and every event is parsed as JSON. */
  readonly into?: Measured;
}

/** The text of an answer, or its tokens where they are stamped: UTF-8, a character for each byte. */
export interface Expected {
  readonly stamped: boolean;
  readonly tokens: readonly string[];
  readonly text: string;
}

export function expectedOf(load: Load): Expected {
  const tokens = tokensOf(load).map(latin1);
  return { stamped: load.stamped, tokens, text: tokens.join('') };
}

/** Milliseconds that no token takes, in microseconds: a stamp that says so is a wrong one. */
const longestTransit = 120_000_000;

/** Compares a stream of chat completion chunks with what it has to be: its whole text, its finish_reason, and `[DONE]`. */
export function streamVerifier(expected: Expected, { start, into }: VerifierOptions): StreamVerifier {
  let wrong: string | undefined;
  let line = '';
  let [position, token] = [0, 0];
  let held = '';
  let last = 0;
  let finish: string | undefined;
  let done = false;
  const fail = (text: string): void => void (wrong ??= text);

  const takeStamped = (text: string, now: number): void => {
    held += text;
    for (;;) {
      const next = expected.tokens[token];
      if (next === undefined) return held === '' ? undefined : fail('text after the last token');
      if (held.length < stampLength + next.length) return;
      const transit = now - Number(held.slice(0, stampLength));
      if (!(transit >= 0 && transit < longestTransit)) return fail(`token ${token} has no stamp`);
      if (!held.startsWith(next, stampLength)) return fail(`token ${token} is ${quoted(held.slice(stampLength))}`);
      into?.transits.push(transit);
      held = held.slice(stampLength + next.length);
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
    feed(piece, now) {
      let at = 0;
      for (let stop = piece.indexOf('\n'); stop >= 0; stop = piece.indexOf('\n', at)) {
        const whole = line + piece.slice(at, stop);
        line = '';
        at = stop + 1;
        if (whole.startsWith('data:') && wrong === undefined) event(whole.slice(5).trim(), now);
      }
      line += piece.slice(at);
    },
    fault() {
      if (wrong !== undefined) return wrong;
      const whole = expected.stamped
        ? token === expected.tokens.length && held === ''
        : position === expected.text.length;
      if (!whole) return 'the text is not whole';
      if (finish !== 'stop') return `finish_reason is ${finish ?? 'missing'}`;
      return done ? undefined : '[DONE] is missing';
    },
  };
}

/** Compares an answer in one piece with what it has to be. @returns what is wrong with it */
export function wholeFault(expected: Expected, body: string): string | undefined {
  const { choices } = JSON.parse(Buffer.from(body, 'latin1').toString()) as {
    choices?: readonly { message?: { content?: string }; finish_reason?: string }[];
  };
  const [{ message, finish_reason: reason } = {}, ...more] = choices ?? [];
  if (more.length > 0 || latin1(message?.content ?? '') !== expected.text) return 'the text is another';
  return reason === 'stop' ? undefined : `finish_reason is ${reason ?? 'missing'}`;
}
