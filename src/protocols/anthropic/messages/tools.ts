import type { ChatRequest, JsonObject, Tool } from '../../../chat/request.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import type { Values } from '../../field-table.ts';
import { boolean, defined, object, oneOf, required, string } from '../../fields.ts';
import { readSchema } from '../../json-schema.ts';
import { type ClientToolChoice, chooseTools, readFunctionTool } from '../../tools.ts';
import type { messagesFields } from './fields.ts';

type ToolUse = Pick<ChatRequest, 'tools' | 'toolChoice' | 'parallelToolCalls'>;
type ToolValues = Pick<Values<typeof messagesFields>, 'tools' | 'tool_choice'>;

/**
 * Reads `tools` and `tool_choice`.
 *
 * @throws {GatewayError} 400 with `param`
 * @see https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview
 */
export function readToolUse(values: ToolValues, dropped: DroppedFields): ToolUse {
  if (values.tools === undefined && values.tool_choice === undefined) return {};
  const tools = readTools(values.tools ?? [], dropped);
  const choice = values.tool_choice ?? { type: 'auto' };
  const type = required(oneOf, choice['type'], 'tool_choice.type', ['auto', 'any', 'tool', 'none']);
  const single = boolean(choice['disable_parallel_tool_use'], 'tool_choice.disable_parallel_tool_use') ?? false;
  const use = chooseTools(tools, toClientChoice(type, choice));
  return { ...use, ...(single && use.tools !== undefined && { parallelToolCalls: false }) };
}

function toClientChoice(type: 'auto' | 'any' | 'tool' | 'none', choice: JsonObject): ClientToolChoice {
  switch (type) {
    case 'auto':
    case 'none':
      return type;
    case 'any':
      return 'required';
    case 'tool':
      return { name: required(string, choice['name'], 'tool_choice.name') };
    default:
      return type satisfies never;
  }
}

/** Reads `tools`. Tools that Anthropic runs, or whose schema only its models know, are dropped. */
function readTools(items: readonly unknown[], dropped: DroppedFields): Tool[] {
  return items.flatMap((item, index) => {
    const path = `tools[${index}]`;
    const tool = required(object, item, path);
    const type = string(tool['type'], `${path}.type`) ?? 'custom';
    // OpenAI's form.
    if (type === 'function') return [readFunctionTool(tool, path, dropped)];
    if (type !== 'custom') {
      dropped.add(`tools.${type}`, true);
      return [];
    }
    return [
      {
        name: required(string, tool['name'], `${path}.name`),
        ...defined({ description: string(tool['description'], `${path}.description`) }),
        parameters: required(readSchema, tool['input_schema'], `${path}.input_schema`),
      },
    ];
  });
}
