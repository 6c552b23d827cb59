import type { GenerationRequest, JsonObject } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { type Values, readFields } from '../../field-table.ts';
import { defined } from '../../fields.ts';
import { readFoldedBody } from '../body.ts';
import { generateFields } from '../fields.ts';
import { toCommon } from '../generation.ts';
import { readMedia } from '../images.ts';

export interface ParsedGenerate {
  readonly request: GenerationRequest;
  /** True when there is no prompt, and so nothing to generate from. */
  readonly loadOnly: boolean;
  readonly stream: boolean;
  /** Fields that have no effect. */
  readonly dropped: readonly string[];
  readonly spellings?: ReadonlyMap<string, string> | undefined;
}

/**
 * Reads the body of a generate request. It is a chat with one user message, to which the backend applies its model's
 * template. With `raw` or a `suffix` it is a text to be continued.
 *
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range
 * @see https://docs.ollama.com/api/generate
 */
export function readGenerate(value: unknown): ParsedGenerate {
  const body = readFoldedBody(value);
  const dropped = new DroppedFields();
  const values = readFields(generateFields, body, dropped);
  const { prompt = '', raw = false } = values;
  if (raw) checkRaw(body);
  const request = toRequest(values, prompt, dropped);
  return { request, loadOnly: prompt === '', stream: values.stream ?? true, ...dropped.report() };
}

function toRequest(values: Values<typeof generateFields>, prompt: string, dropped: DroppedFields): GenerationRequest {
  const common = toCommon(values, dropped);
  const system = values.system || undefined;
  const suffix = values.suffix || undefined;
  const raw = values.raw || undefined;
  const { images, audio } = readMedia(values.images, 'images');
  if (raw === undefined && suffix === undefined) {
    const instructions = system === undefined ? [] : [{ role: 'system' as const, text: system }];
    const message = { role: 'user' as const, text: prompt, images, ...(audio.length > 0 && { audio }) };
    return { kind: 'chat', ...common, messages: [...instructions, message] };
  }
  if (images.length + audio.length > 0) throw invalidValue('images', 'images cannot be combined with raw or suffix.');
  // As in Ollama, a template for filling a gap has no place for it.
  dropped.add('system', system);
  return { kind: 'completion', ...common, prompt, ...defined({ suffix, raw }) };
}

/** `raw` bypasses the template, so a field that goes into it is a contradiction, which Ollama refuses too. */
function checkRaw(body: JsonObject): void {
  for (const field of ['template', 'system', 'context']) {
    const value = body[field];
    if (value != null && value !== '' && !(Array.isArray(value) && value.length === 0)) {
      throw invalidValue(field, 'raw cannot be combined with template, system or context.');
    }
  }
}
