import type { ChatRequest, JsonObject, Tool } from '../../../chat/request.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { array, object, oneOf, required, string } from '../../fields.ts';
import { chooseTools, readFunctionTool } from '../../tools.ts';

type ToolUse = Pick<ChatRequest, 'tools' | 'toolChoice'>;

/**
 * Reads `tools` and `tool_choice`.
 *
 * @throws {GatewayError} 400 with `param` for a tool or a choice that cannot be read
 * @see https://platform.openai.com/docs/api-reference/chat/create (tool_choice)
 */
export function readToolUse(body: JsonObject, dropped: DroppedFields): ToolUse {
  const tools = readTools(body['tools'], dropped);
  const choice = body['tool_choice'] ?? 'auto';
  if (choice === 'auto' || choice === 'none' || choice === 'required') return chooseTools(tools, choice);
  const fields = required(object, choice, 'tool_choice');
  const type = required(oneOf, fields['type'], 'tool_choice.type', ['function', 'allowed_tools']);
  switch (type) {
    case 'function':
      return chooseTools(tools, { name: readFunctionName(fields, 'tool_choice') });
    case 'allowed_tools':
      return chooseAllowed(tools, object(fields['allowed_tools'], 'tool_choice.allowed_tools') ?? {});
    default:
      return type satisfies never;
  }
}

/** Sends only the allowed tools. */
function chooseAllowed(tools: readonly Tool[], allowed: JsonObject): ToolUse {
  const path = 'tool_choice.allowed_tools';
  const mode = required(oneOf, allowed['mode'], `${path}.mode`, ['auto', 'required']);
  const names = required(array, allowed['tools'], `${path}.tools`).map((item, index) => {
    const toolPath = `${path}.tools[${index}]`;
    return readFunctionName(object(item, toolPath) ?? {}, toolPath);
  });
  return chooseTools(
    tools.filter(({ name }) => names.includes(name)),
    mode,
  );
}

function readFunctionName(fields: JsonObject, path: string): string {
  const called = required(object, fields['function'], `${path}.function`);
  return required(string, called['name'], `${path}.function.name`);
}

function readTools(value: unknown, dropped: DroppedFields): Tool[] {
  return (array(value, 'tools') ?? []).map((item, index) => {
    const path = `tools[${index}]`;
    const tool = required(object, item, path);
    required(oneOf, tool['type'], `${path}.type`, ['function']);
    return readFunctionTool(tool, path, dropped);
  });
}
