import type { ChatRequest, Tool } from '../../../chat/request.ts';
import type { HostedKind, HostedTools } from '../../../chat/search.ts';
import { invalidValue } from '../../../errors.ts';
import { isObject } from '../../../framing/json.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import type { Values } from '../../field-table.ts';
import { array, defined, object, oneOf, required, string } from '../../fields.ts';
import { type HostedToolReader, hostedKind } from '../../hosted-tools.ts';
import { readSchema } from '../../json-schema.ts';
import { chooseTools } from '../../tools.ts';
import type { generateContentFields } from './fields.ts';
import { readOpenApiSchema } from './schema.ts';

type ToolValues = Pick<Values<typeof generateContentFields>, 'tools' | 'toolConfig'>;

/** In the order of their numbers. */
const modes = ['MODE_UNSPECIFIED', 'AUTO', 'ANY', 'NONE', 'VALIDATED'] as const;

interface ToolUse {
  readonly use: Pick<ChatRequest, 'tools' | 'toolChoice'>;
  /** True if there are functions, whether or not the model may call them. */
  readonly hasFunctions: boolean;
  readonly hosted?: HostedTools;
}

/**
 * Reads `tools` and `toolConfig`. Of the functions, only those in `allowedFunctionNames` are offered. The mode is about
 * functions: with `NONE` the model may still search.
 *
 * @param hosted collects the tools that Google runs
 * @throws {GatewayError} 400 with `param`
 * @see https://ai.google.dev/gemini-api/docs/function-calling
 */
export function readToolUse(
  { tools = [], toolConfig }: ToolValues,
  hosted: HostedToolReader,
  dropped: DroppedFields,
): ToolUse {
  const path = 'toolConfig.functionCallingConfig';
  const config = object(toolConfig?.['functionCallingConfig'], path) ?? {};
  const mode = oneOf(modeOf(config['mode']), `${path}.mode`, modes) ?? 'AUTO';
  const allowed = array(config['allowedFunctionNames'], `${path}.allowedFunctionNames`) ?? [];
  const functions = tools.flatMap((item, index) => readTool(item, `tools[${index}]`, hosted, dropped));
  const offered = functions.filter(({ name }) => allowed.length === 0 || allowed.includes(name));
  const forced = mode === 'ANY' && functions.length === 0 && hosted.asksForSearch;
  const use = chooseTools(offered, mode === 'NONE' ? 'none' : mode === 'ANY' && !forced ? 'required' : 'auto');
  return { use, hasFunctions: functions.length > 0, ...hosted.result({ forced, others: functions.length }) };
}

/** Google's JSON may have the number of a value. */
function modeOf(value: unknown): unknown {
  if (typeof value === 'number') return modes[value] ?? value;
  return typeof value === 'string' ? value.toUpperCase() : value;
}

/** An answer without these would only look as if it came from there. */
const lookUps: ReadonlySet<HostedKind> = new Set(['web search', 'fetching web pages', 'file search', 'maps']);

/**
 * Refuses a request whose only tools look something up, if none of them is available: the web search of Gemini CLI is such a
 * request, and shows its error to the model.
 *
 * @throws {GatewayError} 400 with `param`
 */
export function requireLookUp(tools: readonly unknown[] = []): void {
  for (const [index, item] of tools.entries()) {
    for (const [name, value] of Object.entries(isObject(item) ? item : {})) {
      const kind = hostedKind(name);
      if (kind === undefined || !lookUps.has(kind) || !isAsked(value)) continue;
      const path = `tools[${index}].${name}`;
      const hint = kind === 'web search' ? ' Web search needs web_search in its configuration.' : '';
      throw invalidValue(path, `${path} is not available on this server (${kind}).${hint}`);
    }
  }
}

/** An empty object is how clients ask for a tool of Google's. It is `[]` in PHP, and some send `true`. */
function isAsked(value: unknown): boolean {
  return value != null && value !== false && value !== '';
}

/** @returns the functions of a tool. What Google runs is dropped, and named, unless it is available here */
function readTool(item: unknown, path: string, hosted: HostedToolReader, dropped: DroppedFields): Tool[] {
  const tool = required(object, item, path);
  for (const name in tool) {
    const value = tool[name];
    if (name === 'functionDeclarations' || !isAsked(value)) continue;
    if (!hosted.add(name, isObject(value) ? value : {}, `${path}.${name}`)) dropped.addUnknown('tools.', name);
  }
  const given = tool['functionDeclarations'];
  const functions = isObject(given) ? [given] : (array(given, `${path}.functionDeclarations`) ?? []);
  return functions.map((one, at) => readFunction(one, `${path}.functionDeclarations[${at}]`));
}

function readFunction(value: unknown, path: string): Tool {
  const declaration = required(object, value, path);
  return {
    name: required(string, declaration['name'], `${path}.name`),
    ...defined({
      description: string(declaration['description'], `${path}.description`),
      parameters:
        readSchema(declaration['parametersJsonSchema'], `${path}.parametersJsonSchema`) ??
        readOpenApiSchema(declaration['parameters'], `${path}.parameters`),
    }),
  };
}
