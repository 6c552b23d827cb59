import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FaithfulOllama, type FaithfulScript, faithfulOllama } from '../helpers/faithful-ollama/index.ts';
import { saying } from '../helpers/openai-answers.ts';
import { openaiUpstream } from '../helpers/upstream.ts';
import { type RawRequest, type RawResponse, send } from './client.ts';
import { Target, Watch, key, secrets } from './target.ts';

export interface Verdict {
  readonly held: boolean;
  /** What was measured, with the bounds: one line. */
  readonly figures: string;
}

export interface Attacked {
  readonly target: Target;
  readonly ollama: FaithfulOllama;
  /** Sends a request as the key `limited`, unless `as` is another secret or undefined. */
  readonly send: (request: RawRequest) => Promise<RawResponse>;
}

export interface Scene {
  /** Added to a configuration with the keys limited, victim and other. */
  readonly config?: object;
  readonly ollama?: FaithfulScript;
  /** A server of this kind is the upstream instead of Ollama. */
  readonly kind?: 'openai';
}

/** An attack on a llamaduct of its own: a test that prints its figures, whether it is held or not. */
export function attack(name: string, scene: Scene, run: (attacked: Attacked) => Promise<Verdict>): void {
  void test(name, { timeout: 60_000 }, async (t) => {
    await using ollama = await faithfulOllama(scene.ollama);
    await using vllm = scene.kind === 'openai' ? await openaiUpstream(saying('fine'), ['plain']) : undefined;
    await using target = await Target.start({
      log_level: 'error',
      upstreams: [
        vllm === undefined ? { name: 'ollama', url: ollama.url } : { name: 'vllm', kind: 'openai', url: vllm.url },
      ],
      keys: [key('limited'), key('victim'), key('other')],
      ...scene.config,
    });
    const { held, figures } = await run({
      target,
      ollama,
      send: async (request) => await send(target.port, { as: secrets.limited, ...request }),
    });
    const line = target.hasExited ? `llamaduct ended; ${figures}` : figures;
    t.diagnostic(line);
    assert.ok(held && !target.hasExited, line);
  });
}

/** The bounds of the issue: seconds that others wait, MB of memory. */
export const bounds = { wait: 1, rss: 512 } as const;

export interface Impact extends Verdict {
  readonly responses: readonly RawResponse[];
}

/**
 * Sends requests at the same time while others use llamaduct, and measures what they notice.
 *
 * @param patience milliseconds after which the attacker gives up
 */
export async function overload(target: Target, requests: readonly RawRequest[], patience = 12_000): Promise<Impact> {
  await send(target.port, { path: '/v1/models', as: secrets.victim });
  const before = target.rss;
  const watch = new Watch(target);
  const responses = await Promise.all(
    requests.map(async (request) => await send(target.port, { as: secrets.limited, patience, ...request })),
  );
  // Work can go on after the response.
  await sleep(200);
  const impact = impactOf(watch, before);
  watch.stop();
  const statuses = [...new Set(responses.map(({ status }) => status || 'none'))].join(', ');
  return { held: impact.held, figures: `status ${statuses}; ${impact.figures}`, responses };
}

/** What others have noticed so far. @param before resident memory in MB at the beginning */
export function impactOf(watch: Watch, before: number): Verdict {
  const { wait, rss, failed } = watch;
  return {
    held: wait <= bounds.wait && rss <= bounds.rss && failed === 0,
    figures:
      `others wait up to ${wait.toFixed(2)} s (at most ${bounds.wait}), ${failed} of their requests fail (none), ` +
      `RSS ${before} to ${rss} MB (at most ${bounds.rss})`,
  };
}
