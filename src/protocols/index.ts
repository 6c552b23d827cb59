import type {
  EmbeddingsProtocol,
  ErrorFormat,
  GenerationProtocol,
  TextStore,
  ModelListProtocol,
  ModelProtocol,
  PassThroughRoute,
  ResourceProtocol,
} from '../chat/protocol.ts';
import type { Config } from '../config/schema.ts';
import { anthropicErrors } from './anthropic/error.ts';
import { countTokens, messages } from './anthropic/messages/index.ts';
import { chat } from './ollama/chat/index.ts';
import { embed, legacyEmbeddings } from './ollama/embed/index.ts';
import { ollamaErrors } from './ollama/error.ts';
import { generate } from './ollama/generate/index.ts';
import { ps } from './ollama/ps/index.ts';
import { ollamaRoutes } from './ollama/routes.ts';
import { show } from './ollama/show/index.ts';
import { tags } from './ollama/tags/index.ts';
import { root, version } from './ollama/version/index.ts';
import { chatCompletions } from './openai/chat-completions/index.ts';
import { completions } from './openai/completions/index.ts';
import { embeddings } from './openai/embeddings/index.ts';
import { openaiErrors } from './openai/error.ts';
import { model, modelList } from './openai/models/index.ts';
import { responseResources, responses } from './openai/responses/index.ts';
import { openaiRoutes } from './openai/routes.ts';

/** What clients speak. */
export interface ClientProtocols {
  readonly generation: readonly GenerationProtocol[];
  readonly embeddings: readonly EmbeddingsProtocol[];
  readonly modelLists: readonly ModelListProtocol[];
  readonly models: readonly ModelProtocol[];
  readonly resources: readonly ResourceProtocol[];
}

/** What clients speak: one line an endpoint. @param keeper keeps answers that can be continued */
export function clientProtocols(
  { reasoning_field }: Pick<Config, 'reasoning_field'>,
  keeper: TextStore,
): ClientProtocols {
  return {
    generation: [
      chatCompletions(reasoning_field),
      completions,
      responses(keeper),
      messages,
      countTokens,
      chat,
      generate,
    ],
    embeddings: [embeddings, embed, legacyEmbeddings],
    modelLists: [modelList, tags],
    models: [model, show],
    resources: [...responseResources(keeper), ps, version, root],
  };
}

/** By the kind of backend, what of its own API clients reach as it is. */
export const nativeRoutes: Readonly<Record<'ollama' | 'openai', readonly PassThroughRoute[]>> = {
  ollama: ollamaRoutes,
  openai: openaiRoutes,
};

/** The shape of errors, by the beginning of a path: the first that fits. */
const errorFormats: readonly (readonly [path: string, errors: ErrorFormat])[] = [
  ['/api/', ollamaErrors],
  ['/v1/messages', anthropicErrors],
  ['/v1', openaiErrors],
];

export function errorsFor(path: string): ErrorFormat {
  if (path === '/') return ollamaErrors;
  return errorFormats.find(([start]) => path.startsWith(start))?.[1] ?? openaiErrors;
}
