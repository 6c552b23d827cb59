import { isDeepStrictEqual } from 'node:util';
import type { ChatRequest, JsonObject, Tool } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { isObject } from '../../../framing/json.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import type { Values } from '../../field-table.ts';
import { array, object, oneOf, required, string } from '../../fields.ts';
import type { chatCompletionFields } from './fields.ts';
import { chooseTools, readFunctionTool } from '../../tools.ts';

type ToolUse = Pick<ChatRequest, 'tools' | 'toolChoice'>;
type ToolValues = Pick<Values<typeof chatCompletionFields>, 'tools' | 'tool_choice' | 'functions' | 'function_call'>;

/**
 * Reads `tools` and `tool_choice`, or their former names `functions` and `function_call`.
 *
 * @throws {GatewayError} 400 with `param` for a tool or a choice that cannot be read
 * @see https://platform.openai.com/docs/api-reference/chat/create (tool_choice)
 */
export function readToolUse(values: ToolValues, dropped: DroppedFields): ToolUse {
  const { tools: given = [], functions = [], tool_choice: toolChoice, function_call: called } = values;
  if (given.length === 0 && functions.length === 0 && toolChoice === undefined && called === undefined) return {};
  const tools = readTools(given, dropped);
  const names = new Set(tools.map(({ name }) => name));
  tools.push(...readFunctions(functions, dropped).filter(({ name }) => !names.has(name)));
  const choice = settleChoice(toolChoice, called);
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

/** @param called the former `function_call`, as its table reads it */
function settleChoice(choice: unknown, called: unknown): unknown {
  const settled = choice || called || 'auto';
  if (called !== undefined && !isDeepStrictEqual(settled, called)) {
    throw invalidValue('function_call', 'tool_choice and function_call contradict each other.');
  }
  // Anthropic has objects for the words. Mistral's word for required is any.
  const word = isObject(settled) && choiceWords.has(settled['type']) ? settled['type'] : settled;
  return word === 'any' ? 'required' : word;
}

const choiceWords: ReadonlySet<unknown> = new Set(['auto', 'none', 'required', 'any']);

/** Reads the former `functions`, which have the fields of a tool's `function`. */
function readFunctions(items: readonly unknown[], dropped: DroppedFields): Tool[] {
  return items.map((item, index) => readFunctionTool({ function: item }, `functions[${index}]`, dropped));
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

function readTools(items: readonly unknown[], dropped: DroppedFields): Tool[] {
  return items.map((item, index) => {
    const path = `tools[${index}]`;
    const tool = required(object, item, path);
    required(oneOf, tool['type'], `${path}.type`, ['function']);
    return readFunctionTool(tool, path, dropped);
  });
}
