import { chatLine, doneLine } from '../helpers/ollama-answers.ts';
import { chunk, usageChunk } from '../helpers/openai-answers.ts';

/** A good answer of an upstream in three parts, to be cut at any place. The second has a character of two bytes. */
export interface Script {
  readonly contentType: string;
  readonly parts: readonly [first: Buffer, second: Buffer, last: Buffer];
  /** What tells of a failure in the middle of it. */
  readonly failure: Buffer;
  /** A line, or an event, of this text. */
  readonly line: (text: string) => Buffer;
}

/** What the answers say. */
export const said = ['Hello', ' café'] as const;
/** What an upstream says of its failure in mid-stream. */
export const failed = 'the runner has died';

const event = (data: object | string): string => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;

const textChunk = (text: string, finishReason: string | null = null): object => ({
  id: 'cmpl-1',
  object: 'text_completion',
  created: 1795233600,
  model: 'scripted-plain',
  choices: [{ index: 0, text, logprobs: null, finish_reason: finishReason }],
});

/** `/api/generate` has its text elsewhere. */
const generateLine = (text: string, rest: object = {}): string =>
  chatLine('', { message: undefined, response: text, ...rest });

const streams: Record<string, { readonly say: (text: string) => string; readonly last: string }> = {
  '/api/chat': { say: chatLine, last: doneLine() },
  '/api/generate': { say: generateLine, last: doneLine({ message: undefined, response: '' }) },
  '/v1/chat/completions': {
    say: (text) => event(chunk({ content: text })),
    last: event(chunk({}, 'stop')) + event(usageChunk(9, 2)) + event('[DONE]'),
  },
  '/v1/completions': {
    say: (text) => event(textChunk(text)),
    last: event(textChunk('', 'stop')) + event(usageChunk(9, 2)) + event('[DONE]'),
  },
};

const wholes: Record<string, (text: string) => object> = {
  '/api/chat': (content) => JSON.parse(doneLine({ message: { role: 'assistant', content } })) as object,
  '/api/generate': (response) => JSON.parse(doneLine({ message: undefined, response })) as object,
  '/v1/chat/completions': (content) => ({
    ...usageChunk(9, 2),
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
  }),
  '/v1/completions': (text) => ({ ...textChunk(text, 'stop'), ...pickUsage(usageChunk(9, 2)) }),
};

const pickUsage = (from: object): object => ('usage' in from ? { usage: from.usage } : {});

/** The answer to a path of an upstream, as it streams or in one piece. */
export function scriptOf(path: string, streamed: boolean): Script {
  const stream = streams[path];
  const whole = wholes[path];
  if (stream === undefined || whole === undefined) throw new Error(`no answer is scripted for ${path}`);
  const sse = path.startsWith('/v1/');
  const failure = JSON.stringify({ error: sse ? { message: failed } : failed });
  if (streamed) {
    return {
      contentType: sse ? 'text/event-stream' : 'application/x-ndjson',
      parts: [Buffer.from(stream.say(said[0])), Buffer.from(stream.say(said[1])), Buffer.from(stream.last)],
      failure: Buffer.from(sse ? `data: ${failure}\n\n` : `${failure}\n`),
      line: (text) => Buffer.from(stream.say(text)),
    };
  }
  const json = Buffer.from(JSON.stringify(whole(said.join(''))));
  const [from, to] = [json.indexOf(said[1]), json.indexOf(said[1]) + Buffer.byteLength(said[1])];
  return {
    contentType: 'application/json',
    parts: [json.subarray(0, from), json.subarray(from, to), json.subarray(to)],
    failure: Buffer.from(failure),
    line: (text) => Buffer.from(JSON.stringify(text)),
  };
}
