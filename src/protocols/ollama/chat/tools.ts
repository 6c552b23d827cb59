import type { Tool } from '../../../chat/request.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { array, object, oneOf, required } from '../../fields.ts';
import { readFunctionTool } from '../../tools.ts';

/** Reads `tools`, whose `type` Ollama does not require. @see https://docs.ollama.com/capabilities/tool-calling */
export function readTools(value: unknown, dropped: DroppedFields): Tool[] | undefined {
  const tools = array(value, 'tools') ?? [];
  if (tools.length === 0) return undefined;
  return tools.map((item, index) => {
    const path = `tools[${index}]`;
    const tool = required(object, item, path);
    oneOf(tool['type'] === '' ? undefined : tool['type'], `${path}.type`, ['function']);
    return readFunctionTool(tool, path, dropped);
  });
}
