import { sendJson } from '../helpers/answers.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { saying } from '../helpers/openai-answers.ts';
import { type Answer, type FakeUpstream, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';

interface Body {
  readonly stream?: unknown;
  readonly input?: unknown;
  readonly format?: unknown;
}

/** What a model says that is held to a format: the call that it asks for, where it asks for one. */
function saidIn(format: unknown): string {
  const names = /"name":\{"enum":\[("(?:[^"\\]|\\.)*")\]/.exec(JSON.stringify(format) ?? '');
  return names === null ? 'Hi' : `{"name":${names[1]},"arguments":{}}`;
}

function countOf(input: unknown): number {
  return Array.isArray(input) ? input.length : 1;
}

/** One answer to everything that can be asked: whatever goes wrong is not the upstream's doing. */
const ollamaAnswer: Answer = (res, { url, body }) => {
  // What is asked in Ollama's own dialect comes as the client sent it.
  let asked: Body = {};
  try {
    asked = JSON.parse(body) as Body;
  } catch {
    // An Ollama would refuse it.
  }
  const input = asked?.input;
  switch (url) {
    case '/api/chat':
      if (asked?.stream === false) return sendJson(res, 200, JSON.parse(doneLine()) as object);
      ndjson(res).write(chatLine(saidIn(asked?.format)));
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

/** An upstream that always answers well. */
export async function wellUpstream(kind: 'ollama' | 'openai'): Promise<FakeUpstream> {
  return kind === 'ollama' ? await fakeUpstream(ollamaAnswer) : await openaiUpstream(openaiAnswer, ['scripted-plain']);
}
