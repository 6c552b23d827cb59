import type { Tool } from '../../../chat/request.ts';
import { array, object, oneOf, optional, required, string } from '../../fields.ts';
import type { DroppedFields } from '../../dropped-fields.ts';

/** Reads `tools`. Ollama does without their `type`. @see https://docs.ollama.com/capabilities/tool-calling */
export function readTools(value: unknown, ledger: DroppedFields): Tool[] | undefined {
  const tools = array(value, 'tools') ?? [];
  if (tools.length === 0) return undefined;
  return tools.map((item, index) => {
    const path = `tools[${index}]`;
    const tool = required(object(item, path), path);
    oneOf(tool['type'] === '' ? undefined : tool['type'], `${path}.type`, ['function']);
    const definition = required(object(tool['function'], `${path}.function`), `${path}.function`);
    ledger.note('tools.function.strict', definition['strict']);
    return {
      name: required(string(definition['name'], `${path}.function.name`), `${path}.function.name`),
      ...optional('description', string(definition['description'], `${path}.function.description`)),
      ...optional('parameters', object(definition['parameters'], `${path}.function.parameters`)),
    };
  });
}
