import * as texts from '../../e2e/texts.ts';
import { native, answerOfNative, ollama, user } from '../live.ts';

/** The upstream of llamaduct: Ollama itself, or the OpenAI API of a second llamaduct in front of Ollama. */
export type Backend = 'ollama' | 'openai';

/** Answers of Ollama itself. */
export interface Reference {
  readonly utf8: string;
  readonly vectors: readonly (readonly number[])[];
  /** The vector of /api/embeddings, which is not normalized. */
  readonly oldVector: readonly number[];
  /** The sentence about available models in llamaduct's errors for unknown ones. */
  readonly available: string;
}

/** The expected values of a program, by case. */
export type Expected = Readonly<Record<string, unknown>>;

/** Asks Ollama itself for the answers that the programs expect. */
export async function askReference(): Promise<Reference> {
  const answer = answerOfNative(await native('/api/chat', { model: 'scripted-utf8', messages: [user('hi')] }));
  const model = 'scripted-embed';
  const { embeddings } = await native<{ embeddings: number[][] }>('/api/embed', { model, input: ['one', 'two'] });
  const { embedding } = await native<{ embedding: number[] }>('/api/embeddings', { model, prompt: 'one' });
  return { utf8: answer.text, vectors: embeddings, oldVector: embedding, available: await availableModels() };
}

async function availableModels(): Promise<string> {
  const response = await fetch(`${ollama}/api/tags`);
  const { models } = (await response.json()) as { models: { name: string }[] };
  const names = models.map(({ name }) => name).toSorted();
  const rest = names.length > 10 ? ` and ${names.length - 10} more` : '';
  return `. Available models: ${names.slice(0, 10).join(', ')}${rest}.`;
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
/** The runner's next line. Whether Ollama has read it depends on the time. */
export const brokenRest = ' llama_model_load_from_file_impl: failed to load model';
/** Ollama's message for the same failure when its runner exited before Ollama had read its output. */
export const brokenUnread =
  'model failed to load, this may be due to resource limitations or an internal error, check ollama server logs for details';
