import type { ChatRequest, JsonObject, Tool } from '../chat/request.ts';
import { invalidValue } from '../errors.ts';
import type { DroppedFields } from './dropped-fields.ts';
import { defined, object, required, string } from './fields.ts';
import { readSchema } from './json-schema.ts';

/**
 * Reads one entry of `tools` as OpenAI's chat completions and Ollama describe a function; its `type` is up to the caller. A
 * function may also be described beside `type`, as in the Responses API and Anthropic's.
 *
 * @throws {GatewayError} 400 with `param` for a function without a name or with a field of the wrong type
 */
export function readFunctionTool(tool: JsonObject, path: string, dropped: DroppedFields): Tool {
  const isFlat = isFlatTool(tool);
  const definition = isFlat ? tool : required(object, tool['function'], `${path}.function`);
  const at = isFlat ? path : `${path}.function`;
  if (!isFlat) dropped.add('tools.function.strict', definition['strict']);
  const schema = definition['parameters'] ?? definition['input_schema'];
  return {
    name: required(string, definition['name'], `${at}.name`),
    ...defined({
      description: string(definition['description'], `${at}.description`),
      parameters: readSchema(schema, `${at}.parameters`),
    }),
  };
}

/** True for a tool that is described beside its `type`. */
export function isFlatTool(tool: JsonObject): boolean {
  return tool['function'] == null && typeof tool['name'] === 'string';
}

/** A client's `tool_choice`, independent of its dialect: optional, forbidden, any tool, or the tool of this name. */
export type ClientToolChoice = 'auto' | 'none' | NonNullable<ChatRequest['toolChoice']>;

/**
 * Applies a client's `tool_choice` to its tools. With `none` no tools are sent, so that the model cannot call any.
 *
 * @param tools those that may be called
 * @throws {GatewayError} 400 when the choice requires a tool that is not among them
 */
export function chooseTools(
  tools: readonly Tool[],
  choice: ClientToolChoice,
): Pick<ChatRequest, 'tools' | 'toolChoice'> {
  if (choice === 'none') return {};
  // An empty list would still make some templates mention tools.
  if (choice === 'auto') return tools.length === 0 ? {} : { tools };
  const canCall = choice === 'required' ? tools.length > 0 : tools.some(({ name }) => name === choice.name);
  if (!canCall) throw invalidValue('tool_choice', 'tool_choice requires a tool that is not in tools.');
  return { tools, toolChoice: choice };
}
