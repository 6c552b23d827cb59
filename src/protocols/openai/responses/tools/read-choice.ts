import type { Response } from 'openai/resources/responses/responses';
import type { ChatRequest, JsonObject } from '../../../../chat/request.ts';
import type { DroppedFields } from '../../../dropped-fields.ts';
import { isObject } from '../../../../framing/json.ts';
import { array, object, oneOf, required, string } from '../../../fields.ts';
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
  /** The field that the response repeats. */
  readonly echo: Response['tool_choice'];
}

type ToolPattern = Partial<Pick<OfferedTool, 'type' | 'name' | 'namespace'>>;

/** Reads `tool_choice`. A choice of a tool that OpenAI would run is dropped. @throws {GatewayError} 400 with `param` */
export function readToolChoice(value: unknown, dropped: DroppedFields): ToolChoice {
  if (value == null) return { choice: 'auto', echo: 'auto' };
  if (value === 'auto' || value === 'none' || value === 'required') return { choice: value, echo: value };
  const fields = required(object, value, 'tool_choice');
  const echo = fields as unknown as Response['tool_choice'];
  if (fields['type'] !== 'allowed_tools') {
    const choice = readPattern(fields, 'tool_choice', dropped);
    return choice === undefined ? { choice: 'auto', echo: 'auto' } : { choice, echo };
  }
  const mode = required(oneOf, fields['mode'], 'tool_choice.mode', ['auto', 'required']);
  const allowed = required(array, fields['tools'], 'tool_choice.tools').flatMap((item, index) => {
    const path = `tool_choice.tools[${index}]`;
    return readPattern(required(object, item, path), path, dropped) ?? [];
  });
  return { choice: mode, allowed, echo };
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

/** @returns the functions to offer to the model. @throws {GatewayError} 400 when the choice requires a tool that is not offered */
export function applyToolChoice(
  { choice, allowed }: ToolChoice,
  offered: OfferedTools,
): Pick<ChatRequest, 'tools' | 'toolChoice'> {
  const tools = offered.all.filter((tool) => allowed?.some((pattern) => matches(tool, pattern)) ?? true);
  const functions = tools.map(({ tool }) => tool);
  if (typeof choice === 'string') return chooseTools(functions, choice);
  const [chosen, ...others] = chosenTools(tools, choice);
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
