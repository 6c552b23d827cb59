import type { FunctionTool, Response } from 'openai/resources/responses/responses';
import type { ChatRequest, Tool } from '../../../chat/request.ts';
import { isObject } from '../../../framing/json.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import type { Values } from '../../field-table.ts';
import { array, boolean, defined, object, oneOf, required, string } from '../../fields.ts';
import { readSchema } from '../../json-schema.ts';
import { type ClientToolChoice, chooseTools } from '../../tools.ts';
import type { responseFields } from './fields.ts';
import { droppedName } from './dropped-name.ts';

type ToolValues = Pick<Values<typeof responseFields>, 'tools' | 'tool_choice'>;

interface ToolUse {
  readonly request: Pick<ChatRequest, 'tools' | 'toolChoice'>;
  /** The fields that the response repeats, without the tools that were dropped. */
  readonly echo: { tools: FunctionTool[]; tool_choice: Response['tool_choice'] };
}

interface ToolChoice {
  readonly choice: ClientToolChoice;
  /** The tools that may be called. */
  readonly allowed: readonly FunctionTool[];
  readonly echo: Response['tool_choice'];
}

/**
 * Reads `tools` and `tool_choice`. Tools that OpenAI would run itself, and those of agents that are not functions, are
 * dropped.
 *
 * @throws {GatewayError} 400 with `param`
 * @see https://platform.openai.com/docs/api-reference/responses/create (tools)
 */
export function readToolUse(values: ToolValues, dropped: DroppedFields): ToolUse {
  const tools = readTools(values.tools ?? [], dropped);
  const { choice, allowed, echo } = readToolChoice(values.tool_choice || 'auto', tools, dropped);
  return { request: chooseTools(allowed.map(toTool), choice), echo: { tools, tool_choice: echo } };
}

function readToolChoice(value: unknown, tools: readonly FunctionTool[], dropped: DroppedFields): ToolChoice {
  if (value === 'auto' || value === 'none' || value === 'required') {
    return { choice: value, allowed: tools, echo: value };
  }
  const fields = required(object, value, 'tool_choice');
  const type = required(string, fields['type'], 'tool_choice.type');
  switch (type) {
    case 'function': {
      const name = required(string, fields['name'], 'tool_choice.name');
      return { choice: { name }, allowed: tools, echo: { type, name } };
    }
    case 'allowed_tools': {
      const mode = required(oneOf, fields['mode'], 'tool_choice.mode', ['auto', 'required']);
      const names = readAllowedNames(fields['tools'], dropped);
      const allowed = tools.filter(({ name }) => names.has(name));
      return {
        choice: mode,
        allowed,
        echo: { type, mode, tools: [...names].map((name) => ({ type: 'function', name })) },
      };
    }
    default:
      dropped.add(droppedName('tool_choice', type), true);
      return { choice: 'auto', allowed: tools, echo: 'auto' };
  }
}

function readAllowedNames(value: unknown, dropped: DroppedFields): ReadonlySet<string> {
  const names = new Set<string>();
  required(array, value, 'tool_choice.tools').forEach((item, index) => {
    const path = `tool_choice.tools[${index}]`;
    const tool = required(object, item, path);
    const type = required(string, tool['type'], `${path}.type`);
    if (type === 'function') names.add(required(string, tool['name'], `${path}.name`));
    else dropped.add(droppedName('tool_choice', type), true);
  });
  return names;
}

function readTools(items: readonly unknown[], dropped: DroppedFields): FunctionTool[] {
  return items.flatMap((item, index): FunctionTool[] => {
    const path = `tools[${index}]`;
    const tool = required(object, item, path);
    const type = required(string, tool['type'], `${path}.type`);
    if (type !== 'function') {
      dropped.add(droppedName('tools', type), true);
      return [];
    }
    const strict = boolean(tool['strict'], `${path}.strict`) ?? null;
    return [
      {
        type,
        name: required(string, tool['name'], `${path}.name`),
        ...defined({ description: string(tool['description'], `${path}.description`) }),
        parameters: readSchema(tool['parameters'], `${path}.parameters`) ?? null,
        strict,
      },
    ];
  });
}

function toTool({ name, description, parameters }: FunctionTool): Tool {
  return { name, ...(description != null && { description }), ...(isObject(parameters) && { parameters }) };
}
