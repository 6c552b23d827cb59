import { type Flags, loadConfig, withNewKey } from '../config/load.ts';
import { toLoopback } from '../config/ollama-url.ts';
import type { Config } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import type { Gateway } from '../gateway.ts';
import { createLogger } from '../telemetry/logger.ts';
import { CommandError } from './error.ts';
import { startService } from './service.ts';

/**
 * `--once`: sends one streamed chat request through llamaduct's own HTTP API, with a key that exists only for it. Prints the
 * SSE frames as they arrive, then the text.
 *
 * @throws {ConfigError} when the configuration is invalid
 * @throws {CommandError} when the chat fails
 */
export async function once(text: string, flags: Flags): Promise<void> {
  const { config, upstreamIsImplicit, listenIsExplicit } = await loadConfig(flags);
  const { config: withKey, secret } = withNewKey(config, 'once', ['inference']);
  // The configured addresses may be in use by the llamaduct that serves there.
  const ownConfig: Config = {
    ...withKey,
    listen: listenIsExplicit && !('path' in config.listen) ? config.listen : { host: '127.0.0.1', port: 0 },
    tls: undefined,
    metrics: { ...config.metrics, listen: undefined },
  };
  const service = await startService(ownConfig, upstreamIsImplicit, createLogger('error'));
  try {
    const content = await chat(service.gateway, secret, text);
    process.stdout.write(`---\n${content}\n`);
  } catch (error) {
    if (error instanceof GatewayError) throw new CommandError(error.message);
    throw error;
  } finally {
    await service.close();
  }
}

/** Sends the request and prints its frames. @returns the text of the response */
async function chat(gateway: Gateway, secret: string, prompt: string): Promise<string> {
  const [model] = await gateway.models();
  if (model === undefined) throw new CommandError('the upstream has no models; install one with `ollama pull`');
  const response = await fetch(`${toLoopback(gateway.url)}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: prompt }], stream: true }),
  });
  if (!response.ok || response.body === null) throw new CommandError(`${response.status} ${await response.text()}`);

  let frames = '';
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    process.stdout.write(text);
    frames += text;
  }
  if (!frames.endsWith('data: [DONE]\n\n')) throw new CommandError('the response ended before it was complete');
  return contentOf(frames);
}

/** Joins the deltas of all chunks. */
function contentOf(frames: string): string {
  const chunks = [...frames.matchAll(/^data: (\{.*)$/gm)].map(([, json = '']) => JSON.parse(json) as Chunk);
  return chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');
}

interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content?: string | null } }[];
}
