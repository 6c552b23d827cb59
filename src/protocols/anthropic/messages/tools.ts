import type { ChatRequest, JsonObject, Tool } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { array, boolean, object, oneOf, optional, required, string } from '../../fields.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { textIn } from './content.ts';
import { noteUnread } from './unread.ts';

type ToolUse = Pick<ChatRequest, 'tools' | 'toolChoice' | 'parallelToolCalls'>;

/**
 * Reads `tools` and `tool_choice`. With `none` no tools are sent: then the model cannot call any.
 *
 * @see https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview
 */
export function readToolUse(body: JsonObject, ledger: DroppedFields): ToolUse {
  const tools = readTools(body['tools'], ledger);
  const choice = object(body['tool_choice'], 'tool_choice');
  if (choice === undefined) return tools.length === 0 ? {} : { tools };
  const type = required(oneOf(choice['type'], 'tool_choice.type', ['auto', 'any', 'tool', 'none']), 'tool_choice.type');
  const single = boolean(choice['disable_parallel_tool_use'], 'tool_choice.disable_parallel_tool_use') ?? false;
  const use = { tools, ...(single && { parallelToolCalls: false }) };
  switch (type) {
    case 'none':
      return {};
    case 'auto':
      // An empty list would still make some templates speak of tools.
      return tools.length === 0 ? {} : use;
    case 'any':
      if (tools.length === 0) throw notAmongTools();
      return { ...use, toolChoice: 'required' };
    case 'tool': {
      const name = textIn(choice, 'name', 'tool_choice');
      if (!tools.some((tool) => tool.name === name)) throw notAmongTools();
      return { ...use, toolChoice: { name } };
    }
    default:
      return type satisfies never;
  }
}

function notAmongTools(): Error {
  return invalidValue('tool_choice', 'tool_choice requires a tool that is not in tools.');
}

/** Tools that Anthropic runs, or that only its models know the schema of, are passed over and named by their type. */
function readTools(value: unknown, ledger: DroppedFields): Tool[] {
  return (array(value, 'tools') ?? []).flatMap((item, index) => {
    const path = `tools[${index}]`;
    const tool = required(object(item, path), path);
    const type = string(tool['type'], `${path}.type`) ?? 'custom';
    if (type !== 'custom') {
      ledger.note(`tools.${type}`, true);
      return [];
    }
    noteUnread(ledger, 'tools.', tool, ['type', 'name', 'description', 'input_schema']);
    return [
      {
        name: textIn(tool, 'name', path),
        ...optional('description', string(tool['description'], `${path}.description`)),
        parameters: required(object(tool['input_schema'], `${path}.input_schema`), `${path}.input_schema`),
      },
    ];
  });
}
