// The marks that models write around calls, as the tool parsers of vLLM and SGLang read them.
// @see https://docs.vllm.ai/en/latest/features/tool_calling/
// @see https://docs.sglang.ai/advanced_features/tool_parser.html

/** A mark that begins a call, or several. */
export interface Mark {
  readonly open: string;
  /** Marks that may end the call. Without any, it ends with its JSON. */
  readonly close: readonly string[];
  /** True for a mark that is part of the call itself, as in `<function=NAME>`. */
  readonly isPart?: boolean;
  /** True for a special token, which does not occur in prose. What follows other marks is looked at before it is held back. */
  readonly isToken?: boolean;
}

const deepSeekEnds = ['<｜tool▁calls▁end｜>', '<|tool▁calls▁end|>'];

export const marks: readonly Mark[] = [
  // Hermes, Qwen, GLM, Granite 4
  { open: '<tool_call>', close: ['</tool_call>'] },
  // MiniMax M1, Jamba, Hunyuan
  { open: '<tool_calls>', close: ['</tool_calls>'] },
  // Qwen's coders, and Llama's custom functions
  { open: '<function=', close: ['</function>'], isPart: true },
  // OLMo, and models that learned from Claude
  { open: '<function_calls>', close: ['</function_calls>'] },
  { open: '<invoke name=', close: ['</invoke>'], isPart: true },
  { open: '<minimax:tool_call>', close: ['</minimax:tool_call>'], isToken: true },
  { open: '<seed:tool_call>', close: ['</seed:tool_call>'], isToken: true },
  { open: '<longcat_tool_call>', close: ['</longcat_tool_call>'], isToken: true },
  // Nemotron
  { open: '<TOOLCALL>', close: ['</TOOLCALL>'] },
  // Mistral
  { open: '[TOOL_CALLS]', close: [] },
  // Llama
  { open: '<|python_tag|>', close: ['<|eom_id|>', '<|eot_id|>'] },
  // Granite 3, Phi 4
  { open: '<|tool_call|>', close: ['<|/tool_call|>', '<|end_of_text|>'] },
  // DeepSeek
  { open: '<｜tool▁calls▁begin｜>', close: deepSeekEnds, isToken: true },
  { open: '<|tool▁calls▁begin|>', close: deepSeekEnds, isToken: true },
  { open: '<｜DSML｜function_calls>', close: ['</｜DSML｜function_calls>'], isToken: true },
  // Kimi
  { open: '<|tool_calls_section_begin|>', close: ['<|tool_calls_section_end|>'], isToken: true },
  // Command-R7B and Command-A
  { open: '<|START_ACTION|>', close: ['<|END_ACTION|>'], isToken: true },
  // The harmony format of gpt-oss
  { open: '<|channel|>commentary to=', close: ['<|call|>', '<|end|>'], isPart: true, isToken: true },
  { open: '<|start|>assistant to=', close: ['<|call|>', '<|end|>'], isPart: true, isToken: true },
  { open: '<|start|>assistant<|channel|>commentary to=', close: ['<|call|>', '<|end|>'], isPart: true, isToken: true },
  // LFM2
  { open: '<|tool_call_start|>', close: ['<|tool_call_end|>'], isToken: true },
  // InternLM
  { open: '<|action_start|><|plugin|>', close: ['<|action_end|>'], isToken: true },
  // FunctionGemma, Gemma 4
  { open: '<start_function_call>', close: ['<end_function_call>'], isToken: true },
  { open: '<|tool_call>', close: ['<tool_call|>'], isToken: true },
  // Apertus
  { open: '<|tools_prefix|>', close: ['<|tools_suffix|>'], isToken: true },
];

const byOpening: ReadonlyMap<string, Mark> = new Map(marks.map((mark) => [mark.open, mark]));

/** Longer marks first: some begin as others do. */
const openings = [...byOpening.keys()].toSorted((one, other) => other.length - one.length);
const anyOpening = new RegExp(openings.map((opening) => opening.replaceAll(/[|[\]]/g, String.raw`\$&`)).join('|'), 'g');

/** @returns the first mark in a text, from an index on */
export function markIn(text: string, from: number): { readonly mark: Mark; readonly index: number } | undefined {
  anyOpening.lastIndex = from;
  const found = anyOpening.exec(text);
  const mark = found === null ? undefined : byOpening.get(found[0]);
  return found === null || mark === undefined ? undefined : { mark, index: found.index };
}

const longestOpening = Math.max(...openings.map(({ length }) => length));

/** @returns where at the end of a text a mark may begin; its length if none may */
export function partialMarkIn(text: string, from: number): number {
  for (let index = Math.max(from, text.length - longestOpening + 1); index < text.length; index += 1) {
    const character = text.charAt(index);
    if (character !== '<' && character !== '[') continue;
    const end = text.slice(index);
    if (openings.some((opening) => opening.startsWith(end))) return index;
  }
  return text.length;
}
