import { type Load, stampLength, tokensOf } from './model.ts';

/** The API in which the upstream answers. */
export type Dialect = 'ollama' | 'openai';

/** One write: bytes, or Latin-1 text in parts, between which the stamp goes. */
export type Write = Buffer | readonly string[];

/** A prepared response. */
export interface Script {
  readonly load: Load;
  /** The first one holds the head of the response. */
  readonly writes: readonly Write[];
  /** The end of the stream and of the body. */
  readonly last: Buffer;
}

const date = '2026-11-21T03:00:00.123456789Z';
const mark = '\u0001'.repeat(stampLength);

/** @returns JSON with the escapes of Go's encoding/json, as Ollama writes it */
function quote(text: string): string {
  return JSON.stringify(text).replace(/[<>&]/g, (character) => `\\u00${character.charCodeAt(0).toString(16)}`);
}

const counts =
  '"total_duration":4883583458,"load_duration":1334875,"prompt_eval_count":26,"prompt_eval_duration":342546000';

function ollamaMessage(model: string, content: string, end: string): string {
  return `{"model":${quote(model)},"created_at":"${date}","message":{"role":"assistant","content":${content}},${end}}`;
}

const ollamaEnd = (tokens: number): string =>
  `"done":true,"done_reason":"stop",${counts},"eval_count":${tokens},"eval_duration":4535599000`;

const openaiHead = (model: string, object: string): string =>
  `{"id":"chatcmpl-521","object":"${object}","created":1795230000,"model":${quote(model)},"system_fingerprint":"fp_ollama"`;

function openaiChunk(model: string, content: string, finish: string): string {
  const choice = `{"index":0,"delta":{"role":"assistant","content":${content}},"finish_reason":${finish}}`;
  return `data: ${openaiHead(model, 'chat.completion.chunk')},"choices":[${choice}]}\n\n`;
}

function lineOf(dialect: Dialect, model: string, content: string): string {
  if (dialect === 'openai') return openaiChunk(model, content, 'null');
  return `${ollamaMessage(model, content, '"done":false')}\n`;
}

function endOf(dialect: Dialect, model: string, { tokens }: Load): string {
  if (dialect === 'openai') return chunk(openaiChunk(model, '""', '"stop"')) + chunk('data: [DONE]\n\n');
  return chunk(`${ollamaMessage(model, '""', ollamaEnd(tokens))}\n`);
}

function chunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}

function answerHead(type: string, framing: string): string {
  return `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nDate: Sat, 21 Nov 2026 03:00:00 GMT\r\n${framing}\r\n\r\n`;
}

/** @returns a streamed response: each write is one HTTP chunk, since Ollama flushes after each */
export function renderStream(dialect: Dialect, model: string, load: Load): Script {
  const tokens = tokensOf(load).map((token) => (load.stamped ? `"${mark}${quote(token).slice(1)}` : quote(token)));
  const texts: string[] = [];
  for (let at = 0; at < tokens.length; at += load.lines) {
    const lines = tokens.slice(at, at + load.lines).map((token) => lineOf(dialect, model, token));
    texts.push(chunk(lines.join('')));
  }
  const type = dialect === 'openai' ? 'text/event-stream' : 'application/x-ndjson';
  // Ollama sends the head together with the first line.
  texts[0] = answerHead(type, 'Transfer-Encoding: chunked') + (texts[0] ?? '');
  const writes = texts.map((text): Write => {
    const bytes = Buffer.from(text);
    return load.stamped ? bytes.toString('latin1').split(mark) : bytes;
  });
  return { load, writes, last: Buffer.from(`${endOf(dialect, model, load)}0\r\n\r\n`) };
}

/** @returns a response that is not streamed, with its head */
export function renderWhole(dialect: Dialect, model: string, load: Load): Buffer {
  const text = quote(tokensOf(load).join(''));
  const choice = `{"index":0,"message":{"role":"assistant","content":${text}},"finish_reason":"stop"}`;
  const usage = `{"prompt_tokens":26,"completion_tokens":${load.tokens},"total_tokens":${load.tokens + 26}}`;
  const body = Buffer.from(
    dialect === 'openai'
      ? `${openaiHead(model, 'chat.completion')},"choices":[${choice}],"usage":${usage}}\n`
      : ollamaMessage(model, text, ollamaEnd(load.tokens)),
  );
  return Buffer.concat([Buffer.from(answerHead('application/json', `Content-Length: ${body.length}`)), body]);
}
