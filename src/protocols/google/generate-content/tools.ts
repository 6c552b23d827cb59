import type { ChatRequest, Tool } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { isObject } from '../../../framing/json.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import type { Values } from '../../field-table.ts';
import { array, defined, object, oneOf, required, string } from '../../fields.ts';
import { readSchema } from '../../json-schema.ts';
import { chooseTools } from '../../tools.ts';
import type { generateContentFields } from './fields.ts';
import { toCamelCase } from '../camel-case.ts';
import { readOpenApiSchema } from './schema.ts';

type ToolValues = Pick<Values<typeof generateContentFields>, 'tools' | 'toolConfig'>;

/** In the order of their numbers. */
const modes = ['MODE_UNSPECIFIED', 'AUTO', 'ANY', 'NONE', 'VALIDATED'] as const;

/**
 * Reads `tools` and `toolConfig`. Of the functions, only those in `allowedFunctionNames` are offered.
 *
 * @throws {GatewayError} 400 with `param`
 * @see https://ai.google.dev/gemini-api/docs/function-calling
 */
export function readToolUse(
  { tools, toolConfig }: ToolValues,
  dropped: DroppedFields,
): Pick<ChatRequest, 'tools' | 'toolChoice'> {
  if (tools === undefined && toolConfig === undefined) return {};
  const path = 'toolConfig.functionCallingConfig';
  const config = object(toolConfig?.['functionCallingConfig'], path) ?? {};
  const mode = oneOf(modeOf(config['mode']), `${path}.mode`, modes) ?? 'AUTO';
  const allowed = array(config['allowedFunctionNames'], `${path}.allowedFunctionNames`) ?? [];
  const offered = readTools(tools ?? [], dropped).filter(({ name }) => allowed.length === 0 || allowed.includes(name));
  return chooseTools(offered, mode === 'NONE' ? 'none' : mode === 'ANY' ? 'required' : 'auto');
}

/** Google's JSON may have the number of a value. */
function modeOf(value: unknown): unknown {
  if (typeof value === 'number') return modes[value] ?? value;
  return typeof value === 'string' ? value.toUpperCase() : value;
}

/** Tools of Google's that look something up. An answer without them would only look as if it came from there. */
const lookUps = new Set([
  'googleSearch',
  'googleSearchRetrieval',
  'enterpriseWebSearch',
  'googleMaps',
  'urlContext',
  'retrieval',
  'fileSearch',
]);

/**
 * Reads the functions in `tools`. Tools that Google runs are dropped, and named.
 *
 * @throws {GatewayError} 400 with `param` for a request whose only tools look something up: the web search of Gemini CLI is such
 *   a request, and shows its error to the model
 */
function readTools(items: readonly unknown[], dropped: DroppedFields): Tool[] {
  const tools = readFunctions(items, dropped);
  if (tools.length > 0) return tools;
  for (const [index, item] of items.entries()) {
    const lookUp = isObject(item) ? Object.keys(item).find((name) => lookUps.has(toCamelCase(name))) : undefined;
    if (lookUp === undefined) continue;
    const path = `tools[${index}].${lookUp}`;
    throw invalidValue(path, `${path} is not available: this server cannot search or read the web, files or maps.`);
  }
  return tools;
}

function readFunctions(items: readonly unknown[], dropped: DroppedFields): Tool[] {
  return items.flatMap((item, index) => {
    const path = `tools[${index}]`;
    const tool = required(object, item, path);
    // An empty object is how clients ask for them.
    for (const name in tool)
      if (name !== 'functionDeclarations' && isObject(tool[name])) dropped.addUnknown('tools.', name);
    const given = tool['functionDeclarations'];
    const functions = isObject(given) ? [given] : (array(given, `${path}.functionDeclarations`) ?? []);
    return functions.map((one, at) => readFunction(one, `${path}.functionDeclarations[${at}]`));
  });
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
