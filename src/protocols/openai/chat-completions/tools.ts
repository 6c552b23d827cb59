import { isDeepStrictEqual } from 'node:util';
import type { ChatCompletionMessageToolCall } from 'openai/resources/chat/completions';
import type { ToolCallEvent } from '../../../chat/event.ts';
import type { HostedKind, HostedTools } from '../../../chat/search.ts';
import type { ChatRequest, JsonObject, Tool } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { isObject } from '../../../framing/json.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import type { Values } from '../../field-table.ts';
import { array, object, oneOf, required, string } from '../../fields.ts';
import type { chatCompletionFields } from './fields.ts';
import { type HostedToolReader, hostedKind } from '../../hosted-tools.ts';
import { chooseTools, readFunctionTool } from '../../tools.ts';
import { readCustomTool, toInput } from '../custom-tools.ts';

type Functions = Pick<ChatRequest, 'tools' | 'toolChoice'>;

/** The functions that the model is offered, and the tools that OpenAI would run. */
export interface ToolUse {
  readonly use: Functions;
  readonly hosted?: HostedTools;
}

type ToolValues = Pick<Values<typeof chatCompletionFields>, 'tools' | 'tool_choice' | 'functions' | 'function_call'>;

/**
 * Reads `tools` and `tool_choice`, or their former names `functions` and `function_call`.
 *
 * @param hosted gets the tools that OpenAI would run
 * @throws {GatewayError} 400 with `param` for a tool or a choice that cannot be read
 * @see https://platform.openai.com/docs/api-reference/chat/create (tool_choice)
 */
export function readToolUse(values: ToolValues, dropped: DroppedFields, hosted: HostedToolReader): ToolUse {
  const { tools: given = [], functions = [], tool_choice: toolChoice, function_call: called } = values;
  if (given.length === 0 && functions.length === 0 && toolChoice === undefined && called === undefined) {
    return { use: {}, ...hosted.result({ forced: false, others: 0 }) };
  }
  const tools = readTools(given, dropped, hosted);
  const names = new Set(tools.map(({ name }) => name));
  tools.push(...readFunctions(functions, dropped).filter(({ name }) => !names.has(name)));
  const choice = settleChoice(toolChoice, called);
  const forced = hosted.searches && (isSearchChoice(choice) || (choice === 'required' && tools.length === 0));
  const use = chooseFunctions(tools, forced ? 'auto' : choice);
  return choice === 'none' ? { use } : { use, ...hosted.result({ forced, others: tools.length }) };
}

function isSearchChoice(choice: unknown): boolean {
  const type = isObject(choice) ? choice['type'] : undefined;
  return typeof type === 'string' && hostedKind(type) === 'web search';
}

function chooseFunctions(tools: readonly Tool[], choice: unknown): Functions {
  if (choice === 'auto' || choice === 'none' || choice === 'required') return chooseTools(tools, choice);
  const fields = required(object, choice, 'tool_choice');
  const type = required(oneOf, fields['type'], 'tool_choice.type', ['function', 'custom', 'allowed_tools']);
  switch (type) {
    case 'function':
    case 'custom':
      return chooseTools(tools, { name: readName(fields, type, 'tool_choice') });
    case 'allowed_tools':
      // The Responses API has no object for them.
      return chooseAllowed(tools, object(fields['allowed_tools'], 'tool_choice.allowed_tools') ?? fields);
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
function chooseAllowed(tools: readonly Tool[], allowed: JsonObject): Functions {
  const path = 'tool_choice.allowed_tools';
  const mode = required(oneOf, allowed['mode'], `${path}.mode`, ['auto', 'required']);
  const names = required(array, allowed['tools'], `${path}.tools`).map((item, index) => {
    const toolPath = `${path}.tools[${index}]`;
    const tool = object(item, toolPath) ?? {};
    return readName(tool, tool['type'] === 'custom' ? 'custom' : 'function', toolPath);
  });
  return chooseTools(
    tools.filter(({ name }) => names.includes(name)),
    mode,
  );
}

function readName(fields: JsonObject, type: 'function' | 'custom', path: string): string {
  // The Responses API has no object for it.
  const called =
    fields[type] == null && fields['name'] != null ? fields : required(object, fields[type], `${path}.${type}`);
  return required(string, called['name'], `${path}.${type}.name`);
}

/** Reads `tools`. A tool that OpenAI would run is dropped beside others, and an error alone, unless this server runs it. */
function readTools(items: readonly unknown[], dropped: DroppedFields, hosted: HostedToolReader): Tool[] {
  const unavailable: { readonly path: string; readonly kind: HostedKind }[] = [];
  const tools = items.flatMap((item, index) => {
    const path = `tools[${index}]`;
    const tool = required(object, item, path);
    const kind = typeof tool['type'] === 'string' ? hostedKind(tool['type']) : undefined;
    if (kind === undefined) return [readTool(tool, path, dropped)];
    if (!hosted.add(String(tool['type']), tool, path)) {
      dropped.add(`tools.${String(tool['type'])}`, true);
      unavailable.push({ path, kind });
    }
    return [];
  });
  const [first] = unavailable;
  if (first === undefined || tools.length > 0 || hosted.searches) return tools;
  throw invalidValue(`${first.path}.type`, `${first.path}.type: ${first.kind} is not available on this server.`);
}

function readTool(tool: JsonObject, path: string, dropped: DroppedFields): Tool {
  const type = required(oneOf, tool['type'] || 'function', `${path}.type`, ['function', 'custom']);
  if (type === 'function') return readFunctionTool(tool, path, dropped);
  if (isFlatCustom(tool)) return readCustomTool(required(string, tool['name'], `${path}.name`), tool, path);
  const fields = required(object, tool['custom'], `${path}.custom`);
  return readCustomTool(required(string, fields['name'], `${path}.custom.name`), fields, `${path}.custom`);
}

/** The formats of custom tools by their names. */
export type CustomTools = ReadonlyMap<string, unknown>;

/** True for a custom tool that is described beside its `type`, as in the Responses API. */
function isFlatCustom(tool: JsonObject): boolean {
  return tool['custom'] == null && typeof tool['name'] === 'string';
}

/** @returns the formats of the custom tools, which have been read before, by their names */
export function customToolsIn(tools: readonly unknown[] = []): CustomTools {
  const formats = new Map<string, unknown>();
  for (const tool of tools) {
    if (!isObject(tool) || tool['type'] !== 'custom') continue;
    const custom = isFlatCustom(tool) ? tool : tool['custom'];
    if (isObject(custom) && typeof custom['name'] === 'string') formats.set(custom['name'], custom['format']);
  }
  return formats;
}

/** @returns a call as the client gets it */
export function toToolCall(
  { id, name, arguments: text }: Omit<ToolCallEvent, 'type'>,
  custom: CustomTools,
): ChatCompletionMessageToolCall {
  if (custom.has(name)) return { id, type: 'custom', custom: { name, input: toInput(text, custom.get(name)) } };
  return { id, type: 'function', function: { name, arguments: text } };
}
