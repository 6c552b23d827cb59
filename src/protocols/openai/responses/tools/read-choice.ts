import type { Response } from 'openai/resources/responses/responses';
import type { HostedTools } from '../../../../chat/search.ts';
import type { ChatRequest, JsonObject } from '../../../../chat/request.ts';
import { invalidValue } from '../../../../errors.ts';
import type { DroppedFields } from '../../../dropped-fields.ts';
import { isObject } from '../../../../framing/json.ts';
import { array, object, oneOf, required, string } from '../../../fields.ts';
import { type HostedToolReader, hostedKind } from '../../../hosted-tools.ts';
import { chooseTools } from '../../../tools.ts';
import { droppedName } from '../dropped-name.ts';
import { isBuiltIn } from './built-in.ts';
import { isComputer } from './computer.ts';
import { type OfferedTool, type OfferedTools, qualifiedName } from './offered-tools.ts';

/** A `tool_choice`. The tools that it names need not be offered. */
export interface ToolChoice {
  /** Names the tool that must be called, or says whether one must. */
  readonly choice: 'auto' | 'none' | 'required' | ToolPattern;
  /** Those that may be called. Absent: all. */
  readonly allowed?: readonly ToolPattern[];
  /** True if the model must search the web; false if it must not. Absent: it may. */
  readonly search?: boolean;
  /** The field that the response repeats. */
  readonly echo: Response['tool_choice'];
}

type ToolPattern = Partial<Pick<OfferedTool, 'type' | 'name' | 'namespace'>>;

/**
 * Reads `tool_choice`. A choice of a tool that OpenAI would run is dropped, except a web search that this server runs.
 *
 * @param searches true if the model may search the web
 * @throws {GatewayError} 400 with `param`
 */
export function readToolChoice(value: unknown, dropped: DroppedFields, searches = false): ToolChoice {
  if (value == null) return { choice: 'auto', echo: 'auto' };
  if (value === 'auto' || value === 'none' || value === 'required') return { choice: value, echo: value };
  const fields = required(object, value, 'tool_choice');
  const echo = fields as unknown as Response['tool_choice'];
  if (fields['type'] !== 'allowed_tools') {
    if (isSearch(fields)) return readSearchChoice(fields, echo, dropped, searches);
    const choice = readPattern(fields, 'tool_choice', dropped);
    return choice === undefined ? { choice: 'auto', echo: 'auto' } : { choice, echo };
  }
  const mode = required(oneOf, fields['mode'], 'tool_choice.mode', ['auto', 'required']);
  let maySearch = false;
  const allowed = required(array, fields['tools'], 'tool_choice.tools').flatMap((item, index) => {
    const path = `tool_choice.tools[${index}]`;
    const tool = required(object, item, path);
    if (searches && isSearch(tool)) {
      maySearch = true;
      return [];
    }
    return readPattern(tool, path, dropped) ?? [];
  });
  return { choice: mode, allowed, ...(!maySearch && { search: false }), echo };
}

function isSearch({ type }: JsonObject): boolean {
  return typeof type === 'string' && hostedKind(type) === 'web search';
}

function readSearchChoice(
  { type }: JsonObject,
  echo: ToolChoice['echo'],
  dropped: DroppedFields,
  searches: boolean,
): ToolChoice {
  if (!searches) dropped.add(droppedName('tool_choice', String(type)), true);
  return { choice: 'auto', search: true, echo: searches ? echo : 'auto' };
}

/** @returns undefined for a tool of a type that is not offered */
function readPattern(fields: JsonObject, path: string, dropped: DroppedFields): ToolPattern | undefined {
  const type = required(string, fields['type'], `${path}.type`);
  if (type === 'function' || type === 'custom') {
    const namespace = string(fields['namespace'], `${path}.namespace`);
    // Chat completions have an object for it.
    const named = isObject(fields[type]) ? fields[type] : fields;
    return { type, name: required(string, named['name'], `${path}.name`), ...(namespace && { namespace }) };
  }
  if (type === 'namespace') return { namespace: required(string, fields['name'], `${path}.name`) };
  if (isBuiltIn(type) || type === 'tool_search') return { type };
  if (isComputer(type)) return { type: 'computer' };
  dropped.add(droppedName('tool_choice', type), true);
  return undefined;
}

/** The functions that the model is offered, and the tools that OpenAI would run. */
interface AppliedTools {
  readonly use: Pick<ChatRequest, 'tools' | 'toolChoice'>;
  readonly hosted?: HostedTools;
}

/**
 * @param hosted the tools that OpenAI would run
 * @returns the functions to offer to the model
 * @throws {GatewayError} 400 when the choice requires a tool that is not offered
 */
export function applyToolChoice(
  { choice, allowed, search }: ToolChoice,
  offered: OfferedTools,
  hosted: HostedToolReader,
): AppliedTools {
  const tools = offered.all.filter((tool) => allowed?.some((pattern) => matches(tool, pattern)) ?? true);
  const functions = tools.map(({ tool }) => tool);
  if (choice === 'none') return { use: {} };
  const mustSearch = choice === 'required' && functions.length === 0 && search !== false && hosted.asksForSearch;
  if (mustSearch && !hosted.searches) {
    throw invalidValue('tool_choice', 'tool_choice requires web search, which is not available on this server.');
  }
  const forced = mustSearch || (search === true && hosted.asksForSearch);
  const applied = search === false ? {} : hosted.result({ forced, others: offered.all.length });
  if (forced) return { use: chooseTools(functions, 'auto'), ...applied };
  if (typeof choice === 'string') return { use: chooseTools(functions, choice), ...applied };
  return { use: chooseOne(tools, choice), ...applied };
}

function chooseOne(tools: readonly OfferedTool[], choice: ToolPattern): AppliedTools['use'] {
  const [chosen, ...others] = chosenTools(tools, choice);
  const functions = tools.map(({ tool }) => tool);
  if (others.length === 0) return chooseTools(functions, { name: chosen?.tool.name ?? '' });
  const several = [chosen, ...others].flatMap((tool) => tool?.tool ?? []);
  return chooseTools(several, 'required');
}

/** @returns the tools that a choice names: several, if a name is in several namespaces and the choice names none of them */
function chosenTools(tools: readonly OfferedTool[], choice: ToolPattern): OfferedTool[] {
  const matching = tools.filter((tool) => matches(tool, choice));
  const outside = matching.filter(({ namespace }) => namespace === undefined);
  return outside.length > 0 ? outside : matching;
}

function matches(offered: OfferedTool, { type, name, namespace }: ToolPattern): boolean {
  if (type !== undefined && type !== offered.type) return false;
  if (namespace !== undefined && namespace !== offered.namespace) return false;
  return name === undefined || name === offered.name || name === qualifiedName(offered);
}
