import type { FunctionTool, Tool as ResponsesTool } from 'openai/resources/responses/responses';
import type { JsonObject, Tool } from '../../../../chat/request.ts';
import { isObject } from '../../../../framing/json.ts';
import type { DroppedFields } from '../../../dropped-fields.ts';
import { array, boolean, defined, object, required, string } from '../../../fields.ts';
import { HostedToolReader } from '../../../hosted-tools.ts';
import { readSchema } from '../../../json-schema.ts';
import { readCustomTool } from '../../custom-tools.ts';
import { droppedName } from '../dropped-name.ts';
import { builtInTool, isBuiltIn } from './built-in.ts';
import { computerTool, isComputer } from './computer.ts';
import { type OfferedTool, qualifiedName } from './offered-tools.ts';

/** The tools of a request, or those that a search has found. */
export interface ToolList {
  readonly offered: readonly OfferedTool[];
  /** Those that the model may only call after a search has found them. */
  readonly deferred: readonly OfferedTool[];
  /** The list that the response repeats, without the tools that were dropped. */
  readonly echo: ResponsesTool[];
}

interface Context {
  readonly dropped: DroppedFields;
  readonly hosted: HostedToolReader;
}

/** A tool as it was read. */
interface Read {
  readonly tools: readonly (OfferedTool & { readonly isDeferred: boolean })[];
  readonly echo: ResponsesTool;
}

/**
 * Reads `tools`. Those that OpenAI would run itself are dropped, except a web search that this server runs. If the client searches for tools itself, those with
 * `defer_loading` are not offered; if OpenAI would search, all are.
 *
 * @param hosted gets the tools that OpenAI would run
 * @throws {GatewayError} 400 with `param`
 * @see https://platform.openai.com/docs/api-reference/responses/create (tools)
 */
export function readTools(
  value: unknown,
  path: string,
  dropped: DroppedFields,
  hosted = new HostedToolReader(false),
): ToolList {
  const context = { dropped, hosted };
  const read = (array(value, path) ?? []).flatMap((item, index) => readTool(item, `${path}[${index}]`, context) ?? []);
  const tools = read.flatMap((entry) => entry.tools);
  const isSearchable = tools.some(({ type }) => type === 'tool_search');
  return {
    offered: tools.filter(({ isDeferred }) => !isSearchable || !isDeferred),
    deferred: tools.filter(({ isDeferred }) => isSearchable && isDeferred),
    echo: read.map(({ echo }) => echo),
  };
}

function readTool(value: unknown, path: string, context: Context): Read | undefined {
  const fields = required(object, value, path);
  const type = required(string, fields['type'] || 'function', `${path}.type`);
  if (type === 'function') {
    // Chat completions have an object for it.
    const tool = isObject(fields['function'])
      ? readFunction(fields['function'], `${path}.function`)
      : readFunction(fields, path);
    return { tools: [{ ...offer(tool), isDeferred: isDeferred(fields) }], echo: tool };
  }
  const echo = fields as unknown as ResponsesTool;
  if (type === 'custom') return { tools: [readCustom(fields, path)], echo };
  if (type === 'namespace') return { tools: readNamespace(fields, path, context), echo };
  if (isBuiltIn(type)) return { tools: [{ type, name: type, tool: builtInTool(type), isDeferred: false }], echo };
  if (isComputer(type)) {
    const computer = { type: 'computer', name: 'computer', calledType: type, tool: computerTool(fields) } as const;
    return { tools: [{ ...computer, isDeferred: false }], echo };
  }
  if (type === 'tool_search' && fields['execution'] === 'client') {
    return { tools: [{ ...readToolSearch(fields, path), isDeferred: false }], echo };
  }
  if (context.hosted.add(type, fields, path)) return { tools: [], echo };
  context.dropped.add(droppedName('tools', type), true);
  return undefined;
}

function readNamespace(fields: JsonObject, path: string, context: Context): Read['tools'] {
  const namespace = required(string, fields['name'], `${path}.name`);
  const about = string(fields['description'], `${path}.description`);
  const tools = (array(fields['tools'], `${path}.tools`) ?? []).flatMap((item, index) => {
    return readTool(item, `${path}.tools[${index}]`, context)?.tools ?? [];
  });
  return tools.map((offered, index) => {
    const description = index === 0 ? describe(offered.tool, namespace, about) : {};
    const name = qualifiedName({ ...offered, namespace });
    return { ...offered, namespace, tool: { ...offered.tool, ...description, name } };
  });
}

/** Models know no namespaces, so the first tool of each also tells what the namespace is for. */
function describe({ description }: Tool, namespace: string, about = ''): Pick<Tool, 'description'> {
  if (about === '') return {};
  return {
    description: `${description === undefined ? '' : `${description}\n\n`}About all ${namespace} tools: ${about}`,
  };
}

function readFunction(fields: JsonObject, path: string): FunctionTool {
  const strict = boolean(fields['strict'], `${path}.strict`) ?? null;
  return {
    type: 'function',
    name: required(string, fields['name'], `${path}.name`),
    ...defined({ description: string(fields['description'], `${path}.description`) }),
    parameters: readSchema(fields['parameters'], `${path}.parameters`) ?? null,
    strict,
  };
}

function offer({ name, description, parameters }: FunctionTool): OfferedTool {
  const tool: Tool = {
    name,
    ...(description != null && { description }),
    ...(isObject(parameters) && { parameters }),
  };
  return { type: 'function', name, tool };
}

function readCustom(fields: JsonObject, path: string): Read['tools'][number] {
  const name = required(string, fields['name'], `${path}.name`);
  const tool = readCustomTool(name, fields, path);
  return { type: 'custom', name, tool, format: fields['format'], isDeferred: isDeferred(fields) };
}

function readToolSearch(fields: JsonObject, path: string): OfferedTool {
  const tool: Tool = {
    name: 'tool_search',
    description: string(fields['description'], `${path}.description`) ?? 'Searches for further tools.',
    parameters: readSchema(fields['parameters'], `${path}.parameters`) ?? {
      type: 'object',
      properties: { query: { type: 'string' } },
      required: ['query'],
    },
  };
  return { type: 'tool_search', name: 'tool_search', tool };
}

function isDeferred(fields: JsonObject): boolean {
  return fields['defer_loading'] === true;
}
