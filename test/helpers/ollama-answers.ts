import type { ServerResponse } from 'node:http';
import { json } from './answers.ts';
import type { Answer } from './upstream.ts';

/** Starts a stream as Ollama does: status and headers are sent together with the first line. */
export function ndjson(res: ServerResponse): ServerResponse {
  return res.writeHead(200, { 'content-type': 'application/x-ndjson' });
}

/** One line of a streamed answer to `/api/chat`. */
export function chatLine(content: string, rest: object = {}): string {
  const message = { role: 'assistant', content };
  return `${JSON.stringify({ model: 'scripted-plain', created_at: '2026-11-21T03:56:01.6Z', message, done: false, ...rest })}\n`;
}

/** The last line of a streamed answer to `/api/chat`. */
export function doneLine(rest: object = {}): string {
  return chatLine('', {
    done: true,
    done_reason: 'stop',
    total_duration: 86028111,
    load_duration: 5421892,
    prompt_eval_count: 46,
    prompt_eval_duration: 890354,
    eval_count: 44,
    eval_duration: 75547348,
    ...rest,
  });
}

/** Streams a few words and the last line. */
export function plainAnswer(words: readonly string[] = ['Hello', ' there', '!']): Answer {
  return (res) => {
    ndjson(res);
    for (const word of words) res.write(chatLine(word));
    res.end(doneLine());
  };
}

/** Answers with an error status, in the format of Ollama. */
export function failing(status: number): Answer {
  return json(status, { error: 'it failed' });
}

/** @returns the text of a model that is constrained to a format: the tool call that the format requires, if any */
export function textFor(format: unknown): string {
  const names = /"name":\{"enum":\[("(?:[^"\\]|\\.)*")\]/.exec(JSON.stringify(format) ?? '');
  return names === null ? 'Hi' : `{"name":${names[1]},"arguments":{}}`;
}
