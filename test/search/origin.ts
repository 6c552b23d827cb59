import { json, sendJson } from '../helpers/answers.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { chunk, stream, usageChunk } from '../helpers/openai-answers.ts';
import { type Answer, type FakeUpstream, fakeUpstream } from '../helpers/upstream.ts';

/** What the fake search server finds. */
export const found = [
  { url: 'https://example.org/llama', title: 'Llamas', content: 'A llama is a camelid.', publishedDate: '2026-01-02' },
  { url: 'https://docs.example.com/duct', title: 'Ducts', content: 'A duct is a pipe.' },
];

/** Starts a SearXNG. @param answer absent: it finds `found` */
export async function searxng(answer: Answer = json(200, { query: 'q', results: found })): Promise<FakeUpstream> {
  return await fakeUpstream(answer);
}

/** The setting `web_search` for it. */
export function searching({ url }: Pick<FakeUpstream, 'url'>, more: object = {}): Record<string, unknown> {
  return { web_search: { url, kind: 'searxng', ...more } };
}

export interface Call {
  readonly name: string;
  readonly arguments: object;
}

/** One answer of the model. */
export interface Turn {
  readonly text?: string;
  readonly calls?: readonly Call[];
}

export const search = (query: string): Call => ({ name: 'web_search', arguments: { query } });

/** Answers with one turn after another, the last one again and again; as Ollama, or as a server with OpenAI's API. */
export function turns(kind: 'ollama' | 'openai', ...list: readonly Turn[]): Answer {
  let count = 0;
  return async (res, request) => {
    // With a queue, Ollama is asked what it has loaded.
    if (request.method === 'GET') return sendJson(res, 200, { models: [] });
    const { text = '', calls = [] } = list[Math.min(count, list.length - 1)] ?? {};
    count += 1;
    if (kind === 'openai') {
      const called = calls.map((call, index) => ({
        index,
        id: `call_${count}_${index}`,
        type: 'function',
        function: { name: call.name, arguments: JSON.stringify(call.arguments) },
      }));
      const deltas = [
        chunk({ role: 'assistant', content: text }),
        ...(called.length > 0 ? [chunk({ tool_calls: called })] : []),
        chunk({}, called.length > 0 ? 'tool_calls' : 'stop'),
        usageChunk(10, 5),
      ];
      return await stream(deltas)(res, request);
    }
    ndjson(res);
    if (text !== '') res.write(chatLine(text));
    if (calls.length > 0) {
      const message = { role: 'assistant', content: '', tool_calls: calls.map((call) => ({ function: call })) };
      res.write(chatLine('', { message }));
    }
    res.end(doneLine({ prompt_eval_count: 10, eval_count: 5 }));
  };
}
