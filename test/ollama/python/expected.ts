import * as texts from '../../e2e/texts.ts';
import { native, saidNatively, user } from '../live.ts';

/** What llamaduct has behind it: Ollama itself, or a second llamaduct, that one before Ollama, as an OpenAI API. */
export type Behind = 'ollama' | 'openai';

/** What Ollama itself answers. */
export interface Truth {
  readonly utf8: string;
  readonly vectors: readonly (readonly number[])[];
  /** Of /api/embeddings, which does not norm it. */
  readonly oldVector: readonly number[];
}

/** The values of each case of a program. */
export type Expected = Readonly<Record<string, unknown>>;

export async function truth(): Promise<Truth> {
  const said = saidNatively(await native('/api/chat', { model: 'scripted-utf8', messages: [user('hi')] }));
  const model = 'scripted-embed';
  const { embeddings } = await native<{ embeddings: number[][] }>('/api/embed', { model, input: ['one', 'two'] });
  const { embedding } = await native<{ embedding: number[] }>('/api/embeddings', { model, prompt: 'one' });
  return { utf8: said.text, vectors: embeddings, oldVector: embedding };
}

export const { plainText, thought, greeting, weatherText, incompleteText } = texts;
export const alice = { name: 'Alice', age: 30, tags: ['a', 'b'], note: 'say "hi"' };
export const cutText = 'Hello! I am';
export const stoppedText = 'Hello! I am a scripted model running inside a real';
export const paris = ['get_weather', { city: 'Paris', unit: 'celsius' }] as const;
export const parallel = [
  ['get_weather', { city: 'Paris' }],
  ['get_time', { zone: 'Asia/Tokyo' }],
] as const;
export const aborted = { 'idle before': true, running: true, ended: true };
export const wrongKey = 'Incorrect API key provided.';
export const noModel = "model 'llama-of-nowhere' not found";
export const noModelToEmbed = 'model "llama-of-nowhere" not found, try pulling it first';
export const broken =
  "llama runner process has terminated: error loading model: missing tensor 'blk.0.ffn_down.weight'";
/** What Ollama says of the same where its runner was gone before it had read what it wrote. */
export const brokenUnread =
  'model failed to load, this may be due to resource limitations or an internal error, check ollama server logs for details';
