import { equal, fail } from 'node:assert/strict';
import { secret, testGateway } from '../helpers/gateway.ts';
import { post } from './api-client.ts';
import { recordingProxy } from './recording-proxy.ts';

/** A server with an OpenAI API on top of a real Ollama. */
export interface Target extends AsyncDisposable {
  readonly url: string;
  readonly key: string;
  /** The address of the Ollama itself, on which a check may create models. */
  readonly ollama: string;
  /** Aborts every request of the check. */
  readonly signal: AbortSignal;
  /** @returns the prompt that the model would get for this chat @throws {AssertionError} when the chat is rejected */
  prompt(chat: object): Promise<Prompt>;
  /** Opens another target with these settings of llamaduct's configuration file. Ollama's own /v1 ignores them. */
  configured(settings: Record<string, unknown>): Promise<Target>;
}

/** The prompt as Ollama renders it. */
interface Prompt {
  readonly rendered_template: string;
  readonly image_count?: number;
}

/** Opens a target for one check. */
export type Open = (ollama: string, signal: AbortSignal) => Promise<Target>;

const path = '/v1/chat/completions';

/** Ollama's own /v1. It returns the prompt for the same field as its native API. */
export const openOllama: Open = async (ollama, signal) => {
  const target = { url: ollama, key: 'ollama', ollama, signal };
  return await Promise.resolve({
    ...target,
    async prompt(chat) {
      const { status, json, problem } = await post(target, path, { ...chat, _debug_render_only: true });
      equal(status, 200, problem);
      return rendered(json);
    },
    configured: async () => await openOllama(ollama, signal),
    async [Symbol.asyncDispose]() {},
  });
};

/**
 * llamaduct in this process, in front of the same Ollama. Its prompt is what Ollama renders for the native request that
 * llamaduct sent.
 */
export const openLlamaduct: Open = async (ollama, signal) => await configuredLlamaduct(ollama, signal, {});

async function configuredLlamaduct(
  ollama: string,
  signal: AbortSignal,
  settings: Record<string, unknown>,
): Promise<Target> {
  await using opened = new AsyncDisposableStack();
  const proxy = opened.use(await recordingProxy(ollama));
  const gateway = opened.use(await testGateway(proxy, { timeouts: { grace: '100ms' }, ...settings }));
  const target = { url: gateway.url, key: secret, ollama, signal };
  const resources = opened.move();
  return {
    ...target,
    async prompt(chat) {
      const { status, problem } = await post(target, path, { max_tokens: 1, ...chat });
      equal(status, 200, problem);
      const rendering = { ...proxy.bodiesOf('/api/chat').at(-1), stream: false, _debug_render_only: true };
      const { json } = await post({ ...target, url: ollama }, '/api/chat', rendering);
      return rendered(json);
    },
    configured: async (otherSettings) => await configuredLlamaduct(ollama, signal, otherSettings),
    [Symbol.asyncDispose]: async () => await resources.disposeAsync(),
  };
}

function rendered(answer: unknown): Prompt {
  return (
    (answer as { _debug_info?: Prompt } | undefined)?._debug_info ?? fail('this Ollama does not return its prompts')
  );
}
