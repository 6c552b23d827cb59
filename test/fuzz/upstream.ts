import { sendJson } from '../helpers/answers.ts';
import { chatLine, doneLine, ndjson, textFor } from '../helpers/ollama-answers.ts';
import { saying } from '../helpers/openai-answers.ts';
import { type Answer, type FakeUpstream, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';

interface Body {
  readonly stream?: unknown;
  readonly input?: unknown;
  readonly format?: unknown;
}

function countOf(input: unknown): number {
  return Array.isArray(input) ? input.length : 1;
}

/** Answers every request without an error, so that a failure is never the upstream's. */
const ollamaAnswer: Answer = (res, { url, body }) => {
  // Requests in Ollama's own API arrive as the client sent them, even malformed.
  let request: Body = {};
  try {
    request = JSON.parse(body) as Body;
  } catch {
    // An Ollama would reject it.
  }
  const input = request?.input;
  switch (url) {
    case '/api/chat':
      if (request?.stream === false) return sendJson(res, 200, JSON.parse(doneLine()) as object);
      ndjson(res).write(chatLine(textFor(request?.format)));
      return void res.end(doneLine());
    case '/api/generate':
      ndjson(res).write('{"response":"Hi","done":false}\n');
      return void res.end(doneLine());
    case '/api/embed':
      return sendJson(res, 200, {
        embeddings: Array.from({ length: countOf(input) }, () => [0.5, -1]),
        prompt_eval_count: 2,
      });
    case '/api/embeddings':
      return sendJson(res, 200, { embedding: [0.5, -1] });
    default:
      return sendJson(res, 200, { capabilities: ['completion', 'tools', 'vision'], models: [] });
  }
};

const openaiAnswer: Answer = async (res, request) => {
  if (request.url.endsWith('/embeddings')) {
    const { input } = JSON.parse(request.body) as Body;
    const data = Array.from({ length: countOf(input) }, (_, index) => ({
      object: 'embedding',
      index,
      embedding: [0.5, -1],
    }));
    return sendJson(res, 200, { object: 'list', data, usage: { prompt_tokens: 2, total_tokens: 2 } });
  }
  return await saying('Hi')(res, request);
};

/** Starts an upstream that answers every request without an error. */
export async function reliableUpstream(kind: 'ollama' | 'openai'): Promise<FakeUpstream> {
  return kind === 'ollama' ? await fakeUpstream(ollamaAnswer) : await openaiUpstream(openaiAnswer, ['scripted-plain']);
}
