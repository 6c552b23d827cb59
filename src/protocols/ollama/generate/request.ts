import type { GenerationRequest, JsonObject } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { array, boolean, optional, string } from '../../fields.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { readFields } from '../body.ts';
import { commonFields, readCommon, readStream } from '../generation.ts';
import { readImages } from '../images.ts';

export interface Generate {
  readonly request: GenerationRequest;
  /** Whether there is nothing to generate from. */
  readonly idle: boolean;
  readonly stream: boolean;
  readonly dropped: readonly string[];
}

const read: ReadonlySet<string> = new Set([...commonFields, 'prompt', 'suffix', 'system', 'images', 'raw']);

/**
 * Reads the body of a generate request. It is a chat of one question, which the backend puts into its model's own
 * template; with `raw` or a `suffix` it is text to be continued.
 *
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range
 * @see https://docs.ollama.com/api/generate
 */
export function readGenerate(body: unknown): Generate {
  const fields = readFields(body);
  const ledger = new DroppedFields();
  const prompt = string(fields['prompt'], 'prompt') ?? '';
  const request = readRequest(fields, prompt, ledger);
  array(fields['context'], 'context');
  string(fields['template'], 'template');
  ledger.noteUnread(fields, read);
  return { request, idle: prompt === '', stream: readStream(fields), dropped: ledger.dropped };
}

function readRequest(fields: JsonObject, prompt: string, ledger: DroppedFields): GenerationRequest {
  const common = readCommon(fields, ledger);
  const system = string(fields['system'], 'system') || undefined;
  const suffix = string(fields['suffix'], 'suffix') || undefined;
  const raw = boolean(fields['raw'], 'raw') || undefined;
  const images = readImages(fields['images'], 'images');
  if (raw === undefined && suffix === undefined) {
    const instructions = system === undefined ? [] : [{ role: 'system' as const, text: system }];
    return { kind: 'chat', ...common, messages: [...instructions, { role: 'user', text: prompt, images }] };
  }
  if (images.length > 0) throw invalidValue('images', 'images cannot be combined with raw or suffix.');
  if (raw) refuseTemplated(fields);
  // As with Ollama, a template for filling in has no place for it.
  ledger.note('system', system);
  return { kind: 'completion', ...common, prompt, ...optional('suffix', suffix), ...optional('raw', raw) };
}

/** What is to be put into a template contradicts `raw`: Ollama refuses it too. */
function refuseTemplated(fields: JsonObject): void {
  for (const field of ['template', 'system', 'context']) {
    const value = fields[field];
    if (value != null && value !== '' && !(Array.isArray(value) && value.length === 0)) {
      throw invalidValue(field, 'raw cannot be combined with template, system or context.');
    }
  }
}
