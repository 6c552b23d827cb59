/** @returns the demo model's response to `question`, split into words, each with the space before it */
export function demoResponse(question: string): string[] {
  // By code points, so that a quote never ends in half an emoji.
  const characters = Array.from(question.trim().replace(/\s+/g, ' '));
  const quote = characters.length > 80 ? `${characters.slice(0, 80).join('')}…` : characters.join('');
  const text =
    `You wrote: “${quote}” I am llamaduct's demo model, not a language model: I can only repeat your question. ` +
    'Start Ollama and then restart llamaduct to get real answers.';
  return text.match(/\s*\S+/g) ?? [];
}

const name = 'demo:latest';
const digest = 'de300000'.repeat(8);
const details = {
  parent_model: '',
  format: 'gguf',
  family: 'demo',
  families: ['demo'],
  parameter_size: '0',
  quantization_level: 'F16',
};
const contextLength = 4096;
const modifiedAt = '2026-01-01T00:00:00Z';

/** True when a request with this `model` is answered: the demo answers any name, so that snippets for any model work. */
export function isDemoModel(model: unknown): boolean {
  return typeof model === 'string' && model !== '';
}

/** The response body of /api/tags. */
export const tags = { models: [{ name, model: name, modified_at: modifiedAt, size: 1024, digest, details }] };

/** The response body of /api/ps. */
export const running = {
  models: [
    {
      name,
      model: name,
      size: 1024,
      digest,
      details,
      expires_at: '2318-01-01T00:00:00Z',
      size_vram: 0,
      context_length: contextLength,
    },
  ],
};

/** The response body of /api/show. */
export const shown = {
  modelfile: '# The demo model of llamaduct\nFROM demo\n',
  template: '{{ .Prompt }}',
  details,
  model_info: { 'general.architecture': 'demo', 'general.parameter_count': 0, 'demo.context_length': contextLength },
  capabilities: ['completion'],
  modified_at: modifiedAt,
};
