/** The fields that carry thinking; OpenAI has none, and clients differ in which they read. */
export type ReasoningField = 'both' | 'reasoning_content' | 'reasoning';

export interface ReasoningFields {
  reasoning_content?: string;
  reasoning?: string;
}

export function reasoningFields(text: string, field: ReasoningField): ReasoningFields {
  return {
    ...(field !== 'reasoning' && { reasoning_content: text }),
    ...(field !== 'reasoning_content' && { reasoning: text }),
  };
}
