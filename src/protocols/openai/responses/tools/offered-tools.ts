import { createHash } from 'node:crypto';
import type { Tool } from '../../../../chat/request.ts';

/** Characters of a function's name that OpenAI and servers like it take. */
const maxName = 64;

/** A tool of the client that the model may call, and the function that it is to the model. */
export interface OfferedTool {
  readonly type: ToolType;
  /** The client's name for it, which need not be the function's. */
  readonly name: string;
  readonly namespace?: string;
  readonly tool: Tool;
  /** The grammar of a custom tool's input, as the client sent it. */
  readonly format?: unknown;
  /** The type that the client calls it, if it is not `type`. */
  readonly calledType?: string;
}

/** The types of tools that clients run themselves. Calls of each have an item of their own. */
export type ToolType = 'function' | 'custom' | 'tool_search' | 'computer' | 'local_shell' | 'shell' | 'apply_patch';

/** A tool as the client names it in a call or in `tool_choice`. */
export type ToolKey = Pick<OfferedTool, 'type' | 'name' | 'namespace'>;

/** The tools of one request, by the names of their functions. */
export class OfferedTools {
  readonly #byFunction = new Map<string, OfferedTool>();
  readonly #functions = new Map<string, string>();

  /** Adds a tool, unless it was added before. A function's name that is taken gets a number. */
  add(offered: OfferedTool): void {
    const key = keyOf(offered);
    if (this.#functions.has(key)) return;
    let { name } = offered.tool;
    for (let number = 2; this.#byFunction.has(name); number += 1) name = `${offered.tool.name}_${number}`;
    this.#byFunction.set(name, { ...offered, tool: { ...offered.tool, name } });
    this.#functions.set(key, name);
  }

  /** Every tool, in the order in which they were added. */
  get all(): OfferedTool[] {
    return [...this.#byFunction.values()];
  }

  /**
   * @returns the tool that the model calls by this name; undefined for a name that was not offered. Models also leave out the
   *   namespace, which is fine while only one tool has the name.
   */
  called(functionName: string): OfferedTool | undefined {
    const offered = this.#byFunction.get(functionName);
    if (offered !== undefined) return offered;
    const [only, ...others] = this.all.filter(({ name }) => name === functionName);
    return others.length === 0 ? only : undefined;
  }

  /** @returns the name by which the model knows a tool, or would know it if it were offered */
  functionName(key: ToolKey): string {
    return this.#functions.get(keyOf(key)) ?? qualifiedName(key);
  }
}

function keyOf({ type, name, namespace = '' }: ToolKey): string {
  return JSON.stringify([type, namespace, name]);
}

/** @returns a name that includes the namespace, as `mcp__vault__open`, because models know no namespaces */
export function qualifiedName({ name, namespace }: Pick<ToolKey, 'name' | 'namespace'>): string {
  if (namespace === undefined || namespace === '' || name.startsWith(`${namespace}__`)) return name;
  const whole = `${namespace}${namespace.endsWith('__') ? '' : '__'}${name}`;
  if (whole.length <= maxName) return whole;
  const hash = createHash('sha1').update(whole).digest('hex').slice(0, 8);
  return `${whole.slice(0, maxName - hash.length - 1)}_${hash}`;
}
