/** What the demo model answers: the same words for the same question, a word a piece as a language model's tokens come. */
export function demoAnswer(question: string): string[] {
  const quoted = Array.from(question.trim().replace(/\s+/g, ' '));
  const quote = quoted.length > 80 ? `${quoted.slice(0, 80).join('')}…` : quoted.join('');
  const text =
    `You wrote: “${quote}” I am llamaduct's demo model, not a language model: I can only quote you. ` +
    'Start Ollama, then llamaduct, and real answers will come this way.';
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

/** Whether `model`, as a request names it, is the demo model. */
export function isDemoModel(model: unknown): boolean {
  return model === name || model === 'demo';
}

/** The answer of /api/tags. */
export const tags = { models: [{ name, model: name, modified_at: modifiedAt, size: 1024, digest, details }] };

/** The answer of /api/ps. */
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

/** The answer of /api/show. */
export const shown = {
  modelfile: '# The demo model of llamaduct\nFROM demo\n',
  template: '{{ .Prompt }}',
  details,
  model_info: { 'general.architecture': 'demo', 'general.parameter_count': 0, 'demo.context_length': contextLength },
  capabilities: ['completion'],
  modified_at: modifiedAt,
};
