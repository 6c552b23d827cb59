import type { JsonObject } from '../../../chat/request.ts';
import { array, object, oneOf, required, string } from '../../fields.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { readInputContent, readOutputContent, readToolOutput } from './content.ts';
import type { Item, ItemStatus } from './items.ts';

/** An item of the input, or the id of one of an earlier response, and the field it was read from. */
export type InputEntry = { readonly path: string } & ({ readonly item: Item } | { readonly reference: string });

const roles = ['user', 'assistant', 'system', 'developer'] as const;

/** Fields that are read, and those that mean nothing here. */
const known: Readonly<Record<Item['type'], ReadonlySet<string>>> = {
  message: new Set(['type', 'id', 'role', 'status', 'content']),
  function_call: new Set(['type', 'id', 'status', 'call_id', 'name', 'arguments']),
  function_call_output: new Set(['type', 'id', 'status', 'call_id', 'name', 'output']),
  reasoning: new Set(['type', 'id', 'status', 'summary', 'content']),
};

/**
 * Reads `input`: a string, or items. Those of a kind that no backend knows are named in the ledger.
 *
 * @throws {GatewayError} 400 with `param` for an item that is not what its type says
 * @see https://platform.openai.com/docs/api-reference/responses/create (input)
 */
export function readInput(value: unknown, ledger: DroppedFields): InputEntry[] {
  if (typeof value === 'string') {
    const content = readInputContent(value, 'input', ledger);
    return [{ path: 'input', item: { type: 'message', role: 'user', status: 'completed', content } }];
  }
  return (array(value, 'input') ?? []).flatMap((each, index): InputEntry[] => {
    const path = `input[${index}]`;
    const fields = required(object(each, path), path);
    const type = string(fields['type'], `${path}.type`) ?? (fields['role'] == null ? 'item_reference' : 'message');
    if (type === 'item_reference') {
      return [{ path, reference: required(string(fields['id'], `${path}.id`), `${path}.id`) }];
    }
    if (!isKnown(type)) {
      ledger.note(named('input', type), true);
      return [];
    }
    for (const field of Object.keys(fields)) {
      if (!known[type].has(field)) ledger.note(named('input', field), fields[field]);
    }
    return [{ path, item: { ...readItem(type, fields, path, ledger), ...readId(fields, path) } }];
  });
}

/** `input.web_search_call`: a name for the ledger whose length and characters a client does not choose. */
export function named(field: string, part: string): string {
  return `${field}.${/^[\w.-]{1,40}$/.test(part) ? part : 'other'}`;
}

function isKnown(type: string): type is Item['type'] {
  return Object.hasOwn(known, type);
}

function readItem(type: Item['type'], fields: JsonObject, path: string, ledger: DroppedFields): Item {
  const status: ItemStatus = fields['status'] === 'incomplete' ? 'incomplete' : 'completed';
  switch (type) {
    case 'message': {
      const role = required(oneOf(fields['role'], `${path}.role`, roles), `${path}.role`);
      const contentPath = `${path}.content`;
      return role === 'assistant'
        ? { type, role, status, content: readOutputContent(fields['content'], contentPath, ledger) }
        : { type, role, status, content: readInputContent(fields['content'], contentPath, ledger) };
    }
    case 'function_call': {
      const given = fields['arguments'];
      return {
        type,
        status,
        call_id: required(string(fields['call_id'], `${path}.call_id`), `${path}.call_id`),
        name: required(string(fields['name'], `${path}.name`), `${path}.name`),
        // Models that were called without arguments left '' or null in many histories.
        arguments: typeof given === 'string' ? given || '{}' : JSON.stringify(given ?? {}),
      };
    }
    case 'function_call_output': {
      const callId = required(string(fields['call_id'], `${path}.call_id`), `${path}.call_id`);
      return { type, status, call_id: callId, output: readToolOutput(fields['output'], `${path}.output`, ledger) };
    }
    case 'reasoning': {
      const content = texts(fields['content'], `${path}.content`);
      return {
        type,
        status,
        summary: texts(fields['summary'], `${path}.summary`).map((text) => ({ type: 'summary_text', text })),
        ...(content.length > 0 && { content: content.map((text) => ({ type: 'reasoning_text', text })) }),
      };
    }
    default:
      return type satisfies never;
  }
}

function texts(value: unknown, path: string): string[] {
  return (array(value, path) ?? []).map((each, index) => {
    const part = required(object(each, `${path}[${index}]`), `${path}[${index}]`);
    return required(string(part['text'], `${path}[${index}].text`), `${path}[${index}].text`);
  });
}

/** A client's own id of an item; a longer one than OpenAI's own are is not worth keeping. */
function readId(fields: JsonObject, path: string): { id?: string } {
  const id = string(fields['id'], `${path}.id`);
  return id === undefined || id === '' || id.length > 256 ? {} : { id };
}
