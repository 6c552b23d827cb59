import type {
  EmbeddingsProtocol,
  ErrorFormat,
  GenerationProtocol,
  ModelListProtocol,
  ModelProtocol,
  PassThroughRoute,
  ResourceProtocol,
  TargetReader,
  TextStore,
} from '../chat/protocol.ts';
import type { Config } from '../config/schema.ts';
import { anthropicErrors } from './anthropic/error.ts';
import { countTokens, messages } from './anthropic/messages/index.ts';
import { batchEmbedContents, embedContent } from './google/embed-content/index.ts';
import { googleErrors } from './google/error.ts';
import {
  countGeminiTokens,
  generateContent,
  streamGenerateContent,
  streamGenerateContentArray,
} from './google/generate-content/index.ts';
import { geminiModel, geminiModelList, unknownMethod } from './google/models/index.ts';
import { readGoogleTarget } from './google/target.ts';
import { chat } from './ollama/chat/index.ts';
import { embed, legacyEmbeddings } from './ollama/embed/index.ts';
import { ollamaErrors } from './ollama/error.ts';
import { generate } from './ollama/generate/index.ts';
import { ps } from './ollama/ps/index.ts';
import { ollamaRoutes } from './ollama/routes.ts';
import { show } from './ollama/show/index.ts';
import { tags } from './ollama/tags/index.ts';
import { rootEndpoint, versionEndpoint } from './ollama/version/index.ts';
import { chatCompletions } from './openai/chat-completions/index.ts';
import { completions } from './openai/completions/index.ts';
import { conversationResources } from './openai/conversations/resources.ts';
import { embeddings } from './openai/embeddings/index.ts';
import { openaiErrors } from './openai/error.ts';
import { model, modelList } from './openai/models/index.ts';
import { compactResponses, countResponseTokens, responseResources, responses } from './openai/responses/index.ts';
import { openaiRoutes } from './openai/routes.ts';

/** All endpoints of the client dialects, by kind. */
export interface ClientProtocols {
  readonly generation: readonly GenerationProtocol[];
  readonly embeddings: readonly EmbeddingsProtocol[];
  readonly modelLists: readonly ModelListProtocol[];
  readonly models: readonly ModelProtocol[];
  readonly resources: readonly ResourceProtocol[];
  /** Readers for the dialects whose targets have more in them than a path. */
  readonly targets: readonly TargetReader[];
}

/** @param store keeps responses that can be continued */
export function clientProtocols(
  { reasoning_field }: Pick<Config, 'reasoning_field'>,
  store: TextStore,
): ClientProtocols {
  return {
    generation: [
      chatCompletions(reasoning_field),
      completions,
      responses(store),
      compactResponses(store),
      countResponseTokens(store),
      messages,
      countTokens,
      chat,
      generate,
      generateContent,
      streamGenerateContent,
      streamGenerateContentArray,
      countGeminiTokens,
    ],
    embeddings: [embeddings, embed, legacyEmbeddings, embedContent, batchEmbedContents],
    modelLists: [modelList, tags, geminiModelList],
    models: [model, show, geminiModel],
    resources: [
      ...responseResources(store),
      ...conversationResources(store),
      ps,
      versionEndpoint,
      rootEndpoint,
      unknownMethod,
    ],
    targets: [readGoogleTarget],
  };
}

/** The paths of a backend's own API that are passed through to it, by kind of backend. */
export const nativeRoutes: Readonly<Record<'ollama' | 'openai', readonly PassThroughRoute[]>> = {
  ollama: ollamaRoutes,
  openai: openaiRoutes,
};

/** The error format of all paths with a prefix. The first prefix that matches counts. */
const errorFormats: readonly (readonly [prefix: string, errors: ErrorFormat])[] = [
  ['/api/', ollamaErrors],
  ['/v1/messages', anthropicErrors],
  ['/v1beta', googleErrors],
  ['/v1', openaiErrors],
];

/** @returns the error format of a path, which need not be one that is served */
export function errorsFor(path: string): ErrorFormat {
  if (path === '/') return ollamaErrors;
  return errorFormats.find(([prefix]) => path.startsWith(prefix))?.[1] ?? openaiErrors;
}
