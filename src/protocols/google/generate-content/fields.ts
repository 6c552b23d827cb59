import { readCount } from '../../choices.ts';
import { type Field, type FieldTable, named, raw, read } from '../../field-table.ts';
import { object, string } from '../../fields.ts';
import { optionFields, readStop, settingFields, tokenLimit } from '../../settings.ts';
import { thinkingFields } from '../../thinking.ts';
import { contentOrPart } from '../parts-of.ts';

/** A list in which one item may stand alone. */
const list = {
  effect: 'any',
  read: (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : value === '' ? [] : [value]),
} as const satisfies Field;

const inlineData: Field = { effect: 'any', fields: { mimeType: read, data: read, displayName: read } };
const fileData: Field = { effect: 'any', fields: { mimeType: read, fileUri: read, displayName: read } };

/** The fields of a part. The reader of contents names parts that hold none of them. */
const part: FieldTable = {
  text: read,
  thought: read,
  thoughtSignature: read,
  inlineData,
  fileData,
  functionCall: {
    effect: 'any',
    fields: { id: read, name: read, args: read, partialArgs: named, willContinue: named },
  },
  functionResponse: {
    effect: 'any',
    fields: {
      id: read,
      name: read,
      response: read,
      parts: { effect: 'any', fields: { inlineData, fileData } },
      willContinue: named,
      scheduling: named,
    },
  },
  executableCode: { effect: 'any', fields: { id: read, language: read, code: read } },
  codeExecutionResult: { effect: 'any', fields: { id: read, outcome: read, output: read } },
  toolCall: named,
  toolResponse: named,
  audioTranscription: named,
  mediaProcessing: named,
  speechMetadata: named,
  videoMetadata: named,
  mediaResolution: named,
  partMetadata: named,
};

const content: FieldTable = { role: read, parts: { effect: 'any', fields: part } };

const contentField = { ...raw, ...contentOrPart(content, part) } as const satisfies Field;

const functionDeclaration: FieldTable = {
  name: read,
  description: read,
  parameters: read,
  parametersJsonSchema: read,
  response: named,
  responseJsonSchema: named,
  behavior: { ...named, neutral: ['BLOCKING', 'UNSPECIFIED'] },
};

const searchTool: Field = {
  effect: 'any',
  fields: {
    excludeDomains: read,
    blockingConfidence: { ...named, neutral: ['BLOCKING_CONFIDENCE_UNSPECIFIED'] },
    timeRangeFilter: named,
    searchTypes: { effect: 'any', fields: { webSearch: read } },
    dynamicRetrievalConfig: named,
  },
};

/** The fields of `generationConfig`. */
export const generationFields = {
  temperature: optionFields.temperature,
  topP: optionFields.top_p,
  topK: optionFields.top_k,
  seed: optionFields.seed,
  presencePenalty: optionFields.presence_penalty,
  frequencyPenalty: optionFields.frequency_penalty,
  stopSequences: { effect: 'any', read: readStop, note: 'Empty sequences are left out.' },
  maxOutputTokens: tokenLimit,
  responseMimeType: { effect: 'any', read: string, note: '`text/plain` or `application/json`. Others are named.' },
  responseSchema: { ...raw, note: 'Becomes a JSON Schema.' },
  responseJsonSchema: raw,
  _responseJsonSchema: { ...raw, note: 'The same.' },
  thinkingConfig: {
    effect: 'any',
    read: object,
    fields: { includeThoughts: read, thinkingBudget: read, thinkingLevel: read },
    note: 'Thoughts are sent only with `includeThoughts`. Budgets become levels.',
  },
  candidateCount: { effect: 'any', read: readCount, note: 'Below 1 is 1.' },
  responseLogprobs: named,
  logprobs: named,
  responseModalities: { ...named, neutral: ['TEXT', 'MODALITY_UNSPECIFIED'] },
  audioTimestamp: named,
  audioTranscriptionConfig: named,
  enableAffectiveDialog: named,
  enableEnhancedCivicAnswers: named,
  imageConfig: named,
  mediaResolution: { ...named, neutral: ['MEDIA_RESOLUTION_UNSPECIFIED'] },
  modelSelectionConfig: named,
  routingConfig: named,
  speechConfig: named,
} as const satisfies FieldTable;

/** The fields that hide the thinking are left out: `includeThoughts` decides that. */
const wishFields = {
  think: thinkingFields.think,
  reasoning_effort: thinkingFields.reasoning_effort,
  reasoning: thinkingFields.reasoning,
  thinking: thinkingFields.thinking,
  enable_thinking: thinkingFields.enable_thinking,
  thinking_budget: thinkingFields.thinking_budget,
  chat_template_kwargs: thinkingFields.chat_template_kwargs,
} as const satisfies FieldTable;

/** The fields of `generateContent`, `streamGenerateContent` and `countTokens`. Snake case is read as well. */
export const generateContentFields = {
  ...settingFields,
  ...optionFields,
  ...wishFields,
  contents: contentField,
  systemInstruction: contentField,
  tools: {
    ...list,
    fields: {
      functionDeclarations: { effect: 'any', fields: functionDeclaration },
      googleSearch: searchTool,
      googleSearchRetrieval: searchTool,
      enterpriseWebSearch: searchTool,
    },
    note: 'Web search is run here if `web_search` is configured, otherwise named. Other tools that Google runs are named.',
  },
  toolConfig: {
    effect: 'any',
    read: object,
    fields: {
      functionCallingConfig: { effect: 'any', fields: { mode: read, allowedFunctionNames: read } },
      retrievalConfig: named,
      includeServerSideToolInvocations: named,
    },
  },
  generationConfig: { effect: 'any', read: object, fields: generationFields },
  safetySettings: named,
  cachedContent: named,
  continuationToken: named,
  labels: named,
  serviceTier: named,
  store: named,
} as const satisfies FieldTable;
