import type { ChatRequest, JsonObject, Tool } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { array, object, oneOf, required, string } from '../../fields.ts';
import type { DroppedFields } from '../../dropped-fields.ts';

type ToolUse = Pick<ChatRequest, 'tools' | 'toolChoice'>;

/**
 * Reads `tools` and `tool_choice`. With `none` no tools are sent: then the model cannot call any.
 *
 * @see https://platform.openai.com/docs/api-reference/chat/create (tool_choice)
 */
export function readToolUse(body: JsonObject, ledger: DroppedFields): ToolUse {
  const tools = readTools(body['tools'], ledger);
  const choice = body['tool_choice'];
  if (choice == null || choice === 'auto') return withTools(tools);
  if (choice === 'none') return {};
  if (choice === 'required') return forced(tools, 'required');
  const named = object(choice, 'tool_choice');
  const types = ['function', 'allowed_tools'] as const;
  const type = required(oneOf(named?.['type'], 'tool_choice.type', types), 'tool_choice.type');
  switch (type) {
    case 'function':
      return forced(tools, { name: nameIn(named, 'tool_choice.function') });
    case 'allowed_tools':
      return readAllowed(tools, object(named?.['allowed_tools'], 'tool_choice.allowed_tools') ?? {});
    default:
      return type satisfies never;
  }
}

function withTools(tools: readonly Tool[] | undefined): ToolUse {
  // An empty list would still make some templates speak of tools.
  return tools === undefined || tools.length === 0 ? {} : { tools };
}

function forced(tools: readonly Tool[] | undefined, toolChoice: NonNullable<ToolUse['toolChoice']>): ToolUse {
  const callable = toolChoice === 'required' ? tools : tools?.filter(({ name }) => name === toolChoice.name);
  if (tools === undefined || callable === undefined || callable.length === 0) {
    throw invalidValue('tool_choice', 'tool_choice requires a tool that is not in tools.');
  }
  return { tools, toolChoice };
}

/** A choice among some of the tools: the others are not sent. */
function readAllowed(tools: readonly Tool[] | undefined, allowed: JsonObject): ToolUse {
  const path = 'tool_choice.allowed_tools';
  const mode = required(oneOf(allowed['mode'], `${path}.mode`, ['auto', 'required']), `${path}.mode`);
  const names = required(array(allowed['tools'], `${path}.tools`), `${path}.tools`).map((tool, index) =>
    nameIn(object(tool, `${path}.tools[${index}]`), `${path}.tools[${index}].function`),
  );
  const some = tools?.filter(({ name }) => names.includes(name));
  return mode === 'required' ? forced(some, 'required') : withTools(some);
}

function nameIn(value: JsonObject | undefined, path: string): string {
  const called = required(object(value?.['function'], path), path);
  return required(string(called['name'], `${path}.name`), `${path}.name`);
}

function readTools(value: unknown, ledger: DroppedFields): Tool[] | undefined {
  return array(value, 'tools')?.map((item, index) => {
    const path = `tools[${index}]`;
    const tool = required(object(item, path), path);
    required(oneOf(tool['type'], `${path}.type`, ['function']), `${path}.type`);
    const definition = required(object(tool['function'], `${path}.function`), `${path}.function`);
    const description = string(definition['description'], `${path}.function.description`);
    const parameters = object(definition['parameters'], `${path}.function.parameters`);
    ledger.note('tools.function.strict', definition['strict']);
    return {
      name: required(string(definition['name'], `${path}.function.name`), `${path}.function.name`),
      ...(description !== undefined && { description }),
      ...(parameters !== undefined && { parameters }),
    };
  });
}
