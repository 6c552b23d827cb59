import { chatLine, doneLine } from '../helpers/ollama-answers.ts';
import { chunk, usageChunk } from '../helpers/openai-answers.ts';

/** A valid answer of an upstream in three parts. The second part holds a character of two bytes. */
export interface Script {
  readonly contentType: string;
  readonly parts: readonly [first: Buffer, second: Buffer, last: Buffer];
  /** A line, or an event, that reports a failure in mid-stream. */
  readonly failure: Buffer;
  /** @returns a line, or an event, with this text */
  readonly line: (text: string) => Buffer;
}

/** The words of every answer. */
export const answerWords = ['Hello', ' café'] as const;
/** The upstream's message in `Script.failure`. */
export const failureMessage = 'the runner has died';

const event = (data: object | string): string => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;

const textChunk = (text: string, finishReason: string | null = null): object => ({
  id: 'cmpl-1',
  object: 'text_completion',
  created: 1795233600,
  model: 'scripted-plain',
  choices: [{ index: 0, text, logprobs: null, finish_reason: finishReason }],
});

/** A line of `/api/generate`, whose text is in `response`. */
const generateLine = (text: string, rest: object = {}): string =>
  chatLine('', { message: undefined, response: text, ...rest });

const streams: Record<string, { readonly line: (text: string) => string; readonly last: string }> = {
  '/api/chat': { line: chatLine, last: doneLine() },
  '/api/generate': { line: generateLine, last: doneLine({ message: undefined, response: '' }) },
  '/v1/chat/completions': {
    line: (text) => event(chunk({ content: text })),
    last: event(chunk({}, 'stop')) + event(usageChunk(9, 2)) + event('[DONE]'),
  },
  '/v1/completions': {
    line: (text) => event(textChunk(text)),
    last: event(textChunk('', 'stop')) + event(usageChunk(9, 2)) + event('[DONE]'),
  },
};

const wholeAnswers: Record<string, (text: string) => object> = {
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

/**
 * @returns the answer to a request to `path`
 * @throws {Error} when no answer is scripted for `path`
 */
export function scriptOf(path: string, streamed: boolean): Script {
  const stream = streams[path];
  const wholeAnswer = wholeAnswers[path];
  if (stream === undefined || wholeAnswer === undefined) throw new Error(`no answer is scripted for ${path}`);
  const sse = path.startsWith('/v1/');
  const failure = JSON.stringify({ error: sse ? { message: failureMessage } : failureMessage });
  if (streamed) {
    const [first, second] = answerWords;
    return {
      contentType: sse ? 'text/event-stream' : 'application/x-ndjson',
      parts: [Buffer.from(stream.line(first)), Buffer.from(stream.line(second)), Buffer.from(stream.last)],
      failure: Buffer.from(sse ? `data: ${failure}\n\n` : `${failure}\n`),
      line: (text) => Buffer.from(stream.line(text)),
    };
  }
  const json = Buffer.from(JSON.stringify(wholeAnswer(answerWords.join(''))));
  const start = json.indexOf(answerWords[1]);
  const end = start + Buffer.byteLength(answerWords[1]);
  return {
    contentType: 'application/json',
    parts: [json.subarray(0, start), json.subarray(start, end), json.subarray(end)],
    failure: Buffer.from(failure),
    line: (text) => Buffer.from(JSON.stringify(text)),
  };
}
