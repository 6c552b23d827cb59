import type { JsonObject } from '../../../../chat/request.ts';
import { isObject, textIn, textOrJson } from '../../../../framing/json.ts';

// Tools that OpenAI runs itself leave one item with the call and its result in a history. Models here are shown both, as the
// call of a function and its result, because the answers after it rest on them.

/** A call with its result. */
interface HostedCall {
  readonly name: string;
  readonly arguments: unknown;
  /** The content of a tool's message. */
  readonly output: unknown;
}

/** @returns undefined for an item from which the result is missing */
type Reader = (item: JsonObject) => HostedCall | undefined;

const readers: Readonly<Record<string, Reader>> = {
  mcp_call({ name, arguments: args, output, error }) {
    if (typeof name !== 'string' || (output ?? error) == null) return undefined;
    return { name, arguments: args, output: textOrJson(output ?? error) };
  },
  code_interpreter_call({ code, outputs }) {
    if (typeof code !== 'string') return undefined;
    const texts = objectsIn(outputs).map(({ type, logs, url }) =>
      type === 'image' ? `[image: ${textIn(url).slice(0, 200)}]` : textIn(logs),
    );
    return { name: 'code_interpreter', arguments: { code }, output: texts.join('\n') };
  },
  file_search_call({ queries, results }) {
    if (!Array.isArray(results)) return undefined;
    const texts = objectsIn(results).map(({ filename, text }) => `${textIn(filename)}\n${textIn(text)}`.trim());
    return { name: 'file_search', arguments: { queries }, output: texts.join('\n\n') };
  },
  image_generation_call({ result, revised_prompt: prompt }) {
    if (typeof result !== 'string' || result === '') return undefined;
    const url = result.startsWith('data:') ? result : `data:image/png;base64,${result}`;
    return {
      name: 'image_generation',
      arguments: typeof prompt === 'string' ? { prompt } : {},
      output: [{ type: 'input_image', image_url: url }],
    };
  },
};

/** The types of items that hold a call and its result. */
export type HostedType = 'mcp_call' | 'code_interpreter_call' | 'file_search_call' | 'image_generation_call';

/** True for an item of these types that has a result. One without it is dropped. */
export function isHostedCall(type: string, item: JsonObject): boolean {
  return hostedCallOf(type, item) !== undefined;
}

/** @returns the call in an item and its result; undefined for items of other types */
export function hostedCallOf(type: string, item: JsonObject): HostedCall | undefined {
  return Object.hasOwn(readers, type) ? readers[type]?.(item) : undefined;
}

function objectsIn(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
