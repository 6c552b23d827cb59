import type { HostedTools } from '../../../chat/search.ts';
import type { ChatRequest, JsonObject, Tool } from '../../../chat/request.ts';
import { textIn } from '../../../framing/json.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import type { Values } from '../../field-table.ts';
import { boolean, defined, object, oneOf, required, string } from '../../fields.ts';
import { type HostedToolReader, hostedKind, searchFunction } from '../../hosted-tools.ts';
import { readSchema } from '../../json-schema.ts';
import type { FindTool } from '../../part.ts';
import { type ClientToolChoice, chooseTools, readFunctionTool } from '../../tools.ts';
import type { messagesFields } from './fields.ts';
import { ToolChanges } from './tool-changes.ts';

interface ToolUse {
  readonly use: Pick<ChatRequest, 'tools' | 'toolChoice' | 'parallelToolCalls'>;
  /** Tools that Anthropic would run. */
  readonly hosted?: HostedTools;
  /** Finds any tool of the request, whether the model may call it or not. */
  readonly findTool: FindTool;
}

type ToolValues = Pick<Values<typeof messagesFields>, 'tools' | 'tool_choice'>;

interface ToolContext {
  /** The messages of the request, which load, add and remove tools. */
  readonly messages: unknown;
  /** Gets the tools that Anthropic would run. */
  readonly hosted: HostedToolReader;
}

/**
 * Reads `tools` and `tool_choice`. Deferred tools are offered to the model once the history loads them. They follow the others,
 * in the order in which they were loaded, so that as much of the prompt as possible stays the same.
 *
 * @throws {GatewayError} 400 with `param`
 * @see https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview
 */
export function readToolUse(values: ToolValues, { messages, hosted }: ToolContext, dropped: DroppedFields): ToolUse {
  const changes = new ToolChanges(messages);
  if (values.tools === undefined && values.tool_choice === undefined && changes.defined.size === 0) {
    return { use: {}, findTool: () => undefined, ...hosted.result({ forced: false, others: 0 }) };
  }
  const known = readTools(values.tools ?? [], dropped, hosted);
  for (const definition of changes.defined.values()) known.addDefined(definition, dropped);
  const findTool: FindTool = (name) => known.find(name);
  const choice = values.tool_choice ?? { type: 'auto' };
  return { ...chooseKnown(choice, known, { changes, hosted }), findTool };
}

/** Applies `tool_choice`. @throws {GatewayError} 400 with `param` */
function chooseKnown(
  choice: JsonObject,
  known: KnownTools,
  { changes, hosted }: { readonly changes: ToolChanges; readonly hosted: HostedToolReader },
): Omit<ToolUse, 'findTool'> {
  const type = required(oneOf, choice['type'], 'tool_choice.type', ['auto', 'any', 'tool', 'none']);
  if (type === 'none') return { use: {} };
  const single = boolean(choice['disable_parallel_tool_use'], 'tool_choice.disable_parallel_tool_use') ?? false;
  const clientChoice = toClientChoice(type, choice);
  if (typeof clientChoice === 'object') changes.loaded.add(clientChoice.name);
  const tools = known.offered(changes);
  const namesSearch = type === 'tool' && choice['name'] === known.searchName;
  const forced = hosted.asksForSearch && (namesSearch || (type === 'any' && tools.length === 0));
  const use = chooseTools(tools, forced ? 'auto' : clientChoice);
  return {
    use: { ...use, ...(single && hasTools(use, hosted) && { parallelToolCalls: false }) },
    ...hosted.result({ forced, others: tools.length }),
  };
}

function hasTools({ tools }: ToolUse['use'], { searches }: HostedToolReader): boolean {
  return tools !== undefined || searches;
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

/** The tools of a request. */
class KnownTools {
  readonly #always: Tool[] = [];
  readonly #deferred = new Map<string, Tool>();
  /** True if Anthropic would search for deferred tools. Nobody does here, so they are all offered. */
  isSearched = false;
  /** The name of the web search, by which a choice names it. */
  searchName: unknown;

  add(tool: Tool, isDeferred: boolean): void {
    if (isDeferred) this.#deferred.set(tool.name, tool);
    else this.#always.push(tool);
  }

  /** Adds a tool that a message defines. One that cannot be read is left out: the client cannot change it. */
  addDefined(definition: JsonObject, dropped: DroppedFields): void {
    const { name, description, input_schema: schema, type = 'custom' } = definition;
    if (type !== 'custom' && type !== null) dropped.add(`tools.${textIn(type) || 'other'}`, true);
    else if (typeof name === 'string' && this.find(name) === undefined) {
      const parameters = readSchemaOf(schema);
      this.add({ name, ...(typeof description === 'string' && { description }), parameters }, true);
    }
  }

  find(name: string): Tool | undefined {
    return this.#deferred.get(name) ?? this.#always.find((tool) => tool.name === name);
  }

  /** @returns the tools that the model may call now */
  offered({ loaded, removed }: ToolChanges): Tool[] {
    const always = this.#always.filter(({ name }) => !removed.has(name));
    const deferred = this.#deferred;
    const found = [...loaded].flatMap((name) => deferred.get(name) ?? []);
    // Without any other tool, nothing could load them.
    if (!this.isSearched && this.#always.length > 0) return [...always, ...found];
    const others = [...deferred.values()].filter(({ name }) => !loaded.has(name) && !removed.has(name));
    return [...always, ...found, ...others];
  }
}

/** @returns a schema that may hold anything as one that servers accept */
function readSchemaOf(schema: unknown): JsonObject {
  try {
    return readSchema(schema, 'input_schema') ?? emptySchema;
  } catch {
    return emptySchema;
  }
}

const emptySchema = { type: 'object', properties: {} } as const;

/**
 * Reads `tools`. Tools that Anthropic runs are dropped, except a web search that this server runs, and so are those whose
 * schema only its models know.
 */
function readTools(items: readonly unknown[], dropped: DroppedFields, hosted: HostedToolReader): KnownTools {
  const tools = new KnownTools();
  for (const [index, item] of items.entries()) {
    const path = `tools[${index}]`;
    const fields = required(object, item, path);
    const type = string(fields['type'], `${path}.type`) ?? 'custom';
    if (type.startsWith('tool_search_tool')) tools.isSearched = true;
    if (hostedKind(type) === 'web search') tools.searchName ??= fields['name'] ?? searchFunction;
    if (hosted.add(type, fields, path)) continue;
    const tool = readTool(fields, type, path, dropped);
    if (tool !== undefined) tools.add(tool, fields['defer_loading'] === true);
  }
  return tools;
}

function readTool(fields: JsonObject, type: string, path: string, dropped: DroppedFields): Tool | undefined {
  // OpenAI's form.
  if (type === 'function') return readFunctionTool(fields, path, dropped);
  if (type !== 'custom') {
    dropped.add(`tools.${type}`, true);
    return undefined;
  }
  return {
    name: required(string, fields['name'], `${path}.name`),
    ...defined({ description: string(fields['description'], `${path}.description`) }),
    parameters: required(readSchema, fields['input_schema'], `${path}.input_schema`),
  };
}
