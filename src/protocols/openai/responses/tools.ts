import type { FunctionTool, Response } from 'openai/resources/responses/responses';
import type { ChatRequest, JsonObject, Tool } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { isObject } from '../../../framing/json.ts';
import { array, boolean, object, oneOf, optional, required, string } from '../../fields.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { named } from './input.ts';

interface ToolUse {
  readonly request: Pick<ChatRequest, 'tools' | 'toolChoice'>;
  /** As the answer tells of them: what is dropped is not there. */
  readonly echo: { tools: FunctionTool[]; tool_choice: Response['tool_choice'] };
}

/**
 * Reads `tools` and `tool_choice`. Tools that OpenAI would run by itself, and those of agents that are not functions,
 * are named in the ledger. With `none` no tools are sent: then the model cannot call any.
 *
 * @throws {GatewayError} 400 with `param`
 * @see https://platform.openai.com/docs/api-reference/responses/create (tools)
 */
export function readToolUse(body: JsonObject, ledger: DroppedFields): ToolUse {
  const tools = readTools(body['tools'], ledger);
  const choice = body['tool_choice'];
  const use = (echo: Response['tool_choice'], request: ToolUse['request']): ToolUse => ({
    request,
    echo: { tools, tool_choice: echo },
  });
  if (choice == null || choice === 'auto') return use('auto', sent(tools));
  if (choice === 'none') return use('none', {});
  if (choice === 'required') return use('required', forced(tools, 'required'));
  const chosen = required(object(choice, 'tool_choice'), 'tool_choice');
  const type = required(string(chosen['type'], 'tool_choice.type'), 'tool_choice.type');
  if (type === 'function') {
    const name = required(string(chosen['name'], 'tool_choice.name'), 'tool_choice.name');
    return use({ type, name }, forced(tools, { name }));
  }
  if (type === 'allowed_tools') {
    const mode = required(oneOf(chosen['mode'], 'tool_choice.mode', ['auto', 'required']), 'tool_choice.mode');
    const names = readAllowed(chosen['tools'], ledger);
    const some = tools.filter(({ name }) => names.has(name));
    const allowed = [...names].map((name) => ({ type: 'function', name }));
    return use({ type, mode, tools: allowed }, mode === 'required' ? forced(some, 'required') : sent(some));
  }
  ledger.note(named('tool_choice', type), true);
  return use('auto', sent(tools));
}

/** An empty list would still make some templates speak of tools. */
function sent(tools: readonly FunctionTool[]): ToolUse['request'] {
  return tools.length === 0 ? {} : { tools: tools.map(toTool) };
}

function forced(
  tools: readonly FunctionTool[],
  toolChoice: NonNullable<ChatRequest['toolChoice']>,
): ToolUse['request'] {
  if (toolChoice === 'required' ? tools.length === 0 : !tools.some(({ name }) => name === toolChoice.name)) {
    throw invalidValue('tool_choice', 'tool_choice requires a tool that is not in tools.');
  }
  return { tools: tools.map(toTool), toolChoice };
}

function readAllowed(value: unknown, ledger: DroppedFields): ReadonlySet<string> {
  const names = new Set<string>();
  required(array(value, 'tool_choice.tools'), 'tool_choice.tools').forEach((each, index) => {
    const path = `tool_choice.tools[${index}]`;
    const tool = required(object(each, path), path);
    const type = required(string(tool['type'], `${path}.type`), `${path}.type`);
    if (type === 'function') names.add(required(string(tool['name'], `${path}.name`), `${path}.name`));
    else ledger.note(named('tool_choice', type), true);
  });
  return names;
}

function readTools(value: unknown, ledger: DroppedFields): FunctionTool[] {
  return (array(value, 'tools') ?? []).flatMap((each, index): FunctionTool[] => {
    const path = `tools[${index}]`;
    const tool = required(object(each, path), path);
    const type = required(string(tool['type'], `${path}.type`), `${path}.type`);
    if (type !== 'function') {
      ledger.note(named('tools', type), true);
      return [];
    }
    const strict = boolean(tool['strict'], `${path}.strict`) ?? null;
    ledger.note('tools.strict', strict);
    return [
      {
        type,
        name: required(string(tool['name'], `${path}.name`), `${path}.name`),
        ...optional('description', string(tool['description'], `${path}.description`)),
        parameters: object(tool['parameters'], `${path}.parameters`) ?? null,
        strict,
      },
    ];
  });
}

function toTool({ name, description, parameters }: FunctionTool): Tool {
  return { name, ...(description != null && { description }), ...(isObject(parameters) && { parameters }) };
}
