/** @returns a JSON response with its head @param value holds only ASCII */
export function jsonResponse(status: string, value: object): string {
  const text = JSON.stringify(value);
  return `HTTP/1.1 ${status}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
}

const details = {
  format: 'gguf',
  family: 'llama',
  families: ['llama'],
  parameter_size: '8.0B',
  quantization_level: 'Q4_K_M',
};
const date = '2026-11-21T03:00:00Z';

/** @returns the body for paths about the upstream and its models; undefined for any other path */
export function listing(path: string, models: readonly string[]): object | undefined {
  const capabilities = ['completion', 'tools'];
  switch (path) {
    case '/':
    case '/api/version':
      return { version: '0.17.4' };
    case '/api/ps':
      return {
        models: models.map((name) => ({ name, model: name, size: 4_920_753_328, size_vram: 4_920_753_328, details })),
      };
    case '/api/tags':
      return { models: models.map((name) => ({ name, model: name, modified_at: date, size: 4_920_753_328, details })) };
    case '/v1/models':
      return {
        object: 'list',
        data: models.map((id) => ({ id, object: 'model', created: 1_795_230_000, owned_by: 'library' })),
      };
    case '/api/show':
      return {
        details,
        model_info: { 'general.architecture': 'llama', 'llama.context_length': 1_048_576 },
        capabilities,
      };
    default:
      return undefined;
  }
}
