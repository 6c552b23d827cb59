import { equal, fail } from 'node:assert/strict';
import { secret, testGateway } from '../helpers/gateway.ts';
import { post } from './ask.ts';
import { relayTo } from './relay.ts';

/** Something that speaks OpenAI's API in front of a real Ollama. */
export interface Target extends AsyncDisposable {
  readonly url: string;
  readonly key: string;
  /** The address of the Ollama behind it, for what a check has to set up there. */
  readonly ollama: string;
  /** Ends everything that the check still waits for. */
  readonly signal: AbortSignal;
  /** What the model would read of this chat. @throws {AssertionError} when the chat is refused */
  prompt(chat: object): Promise<Prompt>;
  /** The same with other settings than its own, as in llamaduct's configuration file. Ollama's own /v1 has none. */
  configured(settings: Record<string, unknown>): Promise<Target>;
}

/** As Ollama renders it. */
interface Prompt {
  readonly rendered_template: string;
  readonly image_count?: number;
}

/** Makes a target for one check. */
export type Open = (ollama: string, signal: AbortSignal) => Promise<Target>;

const path = '/v1/chat/completions';

/** Ollama's own /v1. It hands out the prompt when it is asked for it as its native API is. */
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
 * llamaduct in this process, in front of the same Ollama. The prompt is what Ollama makes of the native request that
 * llamaduct sent it.
 */
export const openLlamaduct: Open = async (ollama, signal) => await configuredLlamaduct(ollama, signal, {});

async function configuredLlamaduct(
  ollama: string,
  signal: AbortSignal,
  settings: Record<string, unknown>,
): Promise<Target> {
  await using opened = new AsyncDisposableStack();
  const relay = opened.use(await relayTo(ollama));
  const gateway = opened.use(await testGateway(relay, { timeouts: { grace: '100ms' }, ...settings }));
  const target = { url: gateway.url, key: secret, ollama, signal };
  const resources = opened.move();
  return {
    ...target,
    async prompt(chat) {
      const { status, problem } = await post(target, path, { max_tokens: 1, ...chat });
      equal(status, 200, problem);
      const asked = { ...relay.asked('/api/chat').at(-1), stream: false, _debug_render_only: true };
      const { json } = await post({ ...target, url: ollama }, '/api/chat', asked);
      return rendered(json);
    },
    configured: async (others) => await configuredLlamaduct(ollama, signal, others),
    [Symbol.asyncDispose]: async () => await resources.disposeAsync(),
  };
}

function rendered(answer: unknown): Prompt {
  return (answer as { _debug_info?: Prompt } | undefined)?._debug_info ?? fail('this Ollama does not show its prompts');
}
