import type { JsonObject } from '../../../chat/request.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { isObject, textIn } from '../../../framing/json.ts';
import { array, object, required, string } from '../../fields.ts';
import { readInputContent, readOutputContent, readToolOutput } from './content.ts';
import { droppedName } from './dropped-name.ts';
import type { Item, ItemStatus } from './items.ts';
import { openReasoning } from './reasoning.ts';
import { readSearchItem } from './search/items.ts';
import { readToolItem } from './tools/index.ts';

/** An item of the input, or a reference to one of an earlier response by its id, with the path of its field. */
export type InputEntry = { readonly path: string } & ({ readonly item: Item } | { readonly reference: string });

const supported = [
  'message',
  'function_call',
  'function_call_output',
  'reasoning',
  'compaction',
  'compaction_trigger',
  'agent_message',
] as const satisfies Item['type'][];

/** Names that clients have for the same items. */
const otherNames: Readonly<Record<string, string>> = {
  compaction_summary: 'compaction',
  context_compaction: 'compaction',
};

/**
 * Reads `input`: a string, or items. Items of unsupported types are dropped.
 *
 * @throws {GatewayError} 400 with `param` for an item that does not fit its type
 * @see https://platform.openai.com/docs/api-reference/responses/create (input)
 */
export function readInput(value: unknown, dropped: DroppedFields): InputEntry[] {
  if (typeof value === 'string') {
    const content = readInputContent(value, dropped);
    return [{ path: 'input', item: { type: 'message', role: 'user', status: 'completed', content } }];
  }
  return (array(value, 'input') ?? []).flatMap((item, index) => readEntry(item, `input[${index}]`, dropped));
}

/** @returns no entry for an item of an unsupported type @throws {GatewayError} 400 for one that does not fit its type */
export function readEntry(value: unknown, path: string, dropped: DroppedFields): InputEntry[] {
  if (value == null) return [];
  if (typeof value === 'string') return readEntry({ role: 'user', content: value }, path, dropped);
  const fields = required(object, value, path);
  const given = string(fields['type'], `${path}.type`) ?? (fields['role'] == null ? 'item_reference' : 'message');
  const type = Object.hasOwn(otherNames, given) ? (otherNames[given] ?? given) : given;
  if (type === 'item_reference') {
    return [{ path, reference: required(string, fields['id'], `${path}.id`) }];
  }
  const toolItem = readToolItem(type, fields);
  if (toolItem !== undefined) return [{ path, item: { ...toolItem, ...readId(fields) } }];
  const searched = type === 'web_search_call' ? readSearchItem(fields) : undefined;
  if (searched !== undefined) return [{ path, item: { ...searched, ...readId(fields) } }];
  if (!isSupported(type)) {
    dropped.add(droppedName('input', type), true);
    return [];
  }
  return [{ path, item: { ...readItem(type, fields, path, dropped), ...readId(fields) } }];
}

function isSupported(type: string): type is SupportedType {
  return (supported as readonly string[]).includes(type);
}

type SupportedType = (typeof supported)[number];

function readItem(type: SupportedType, fields: JsonObject, path: string, dropped: DroppedFields): Item {
  const status: ItemStatus = fields['status'] === 'incomplete' ? 'incomplete' : 'completed';
  switch (type) {
    case 'message': {
      const role = required(string, fields['role'], `${path}.role`).toLowerCase();
      return role === 'assistant'
        ? { type, role, status, content: readOutputContent(fields['content'], dropped) }
        : { type, role, status, content: readInputContent(fields['content'], dropped) };
    }
    case 'function_call':
      return {
        type,
        status,
        call_id: textIn(fields['call_id']),
        name: textIn(fields['name']),
        ...(typeof fields['namespace'] === 'string' && { namespace: fields['namespace'] }),
        arguments: argumentsText(fields['arguments']),
      };
    case 'function_call_output':
      return { type, status, call_id: textIn(fields['call_id']), output: readToolOutput(fields['output'], dropped) };
    case 'reasoning':
      return { ...readReasoning(fields, dropped), status };
    case 'compaction':
      return { type, encrypted_content: fields['encrypted_content'] };
    case 'compaction_trigger':
      return { type };
    case 'agent_message':
      return { type, author: textIn(fields['author']), content: readInputContent(fields['content'], dropped) };
    default:
      return type satisfies never;
  }
}

function readReasoning(fields: JsonObject, dropped: DroppedFields): Extract<Item, { type: 'reasoning' }> {
  const summary = readTexts(fields['summary']);
  const content = readTexts(fields['content']);
  const sealed = openReasoning(fields['encrypted_content']);
  if (sealed === undefined) dropped.add('input.encrypted_content', fields['encrypted_content']);
  else if (summary.length + content.length === 0) content.push(sealed);
  return {
    type: 'reasoning',
    summary: summary.map((text) => ({ type: 'summary_text', text })),
    ...(content.length > 0 && { content: content.map((text) => ({ type: 'reasoning_text', text })) }),
  };
}

/** Many histories hold '' or null for a call without arguments. */
function argumentsText(value: unknown): string {
  return typeof value === 'string' ? value || '{}' : JSON.stringify(value ?? {});
}

function readTexts(value: unknown): string[] {
  const parts: readonly unknown[] = Array.isArray(value) ? value : [value];
  return parts.map((part) => textIn(isObject(part) ? part['text'] : part)).filter((text) => text !== '');
}

/** Reads the client's own id of an item. OpenAI's own ids are shorter than the limit, so a longer one is ignored. */
function readId(fields: JsonObject): { id?: string } {
  const id = textIn(fields['id']);
  return id === '' || id.length > 256 ? {} : { id };
}
