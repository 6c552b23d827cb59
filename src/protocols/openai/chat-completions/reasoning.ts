import type { CustomTools } from './tools.ts';
/** The fields that carry a model's thinking. OpenAI's API has none, and clients differ in which one they read. */
export type ReasoningField = 'both' | 'reasoning_content' | 'reasoning';

export interface ReasoningFields {
  reasoning_content?: string;
  reasoning?: string;
}

/** @returns the thinking in the fields that the operator configured */
export function reasoningFields(text: string, field: ReasoningField): ReasoningFields {
  return {
    ...(field !== 'reasoning' && { reasoning_content: text }),
    ...(field !== 'reasoning_content' && { reasoning: text }),
  };
}

/** The properties of answers that depend on the client. */
export interface AnswerShape {
  readonly reasoningField: ReasoningField;
  /** True for `function_call` instead of `tool_calls`, which clients of the former API know. */
  readonly usesFunctions: boolean;
  /** Names of the tools that take a text instead of arguments. */
  readonly customTools: CustomTools;
}
