import type { GenerationRequest } from './chat/request.ts';
import type { Config } from './config/schema.ts';
import { type ModelRules, applyRule, pinnedOptions } from './policy/model-rules.ts';
import { probeEmbeddings, probeGeneration } from './pool/models/model-probe.ts';
import type { Upstream } from './pool/upstream.ts';

/** Milliseconds for a probe if nothing else limits it. */
const probeLimit = 600_000;

/** @returns a function that tries a model on a server with the operator's options, so that it is not loaded with others */
export function createProbe(
  rules: ModelRules,
  { timeouts }: Config,
): (upstream: Upstream, model: string, embeds: boolean) => Promise<void> {
  return async (upstream, model, embeds) => {
    const { first_token: firstToken, first_byte: firstByte } = timeouts;
    const limit = firstToken === 'auto' ? upstream.loadTimes.limit(model, 0) : firstToken || firstByte || probeLimit;
    const rule = rules.rule(model);
    if (embeds) {
      const pinned = rule && pinnedOptions({}, rule);
      return await probeEmbeddings(upstream, { model, input: ['hi'], ...pinned }, limit);
    }
    const messages = [{ role: 'user', text: 'hi', images: [] }] as const;
    const request: GenerationRequest = { kind: 'chat', model, messages, sampling: {} };
    const ruled = rule === undefined ? request : applyRule(request, rule);
    await probeGeneration(upstream, { ...ruled, sampling: { ...ruled.sampling, maxTokens: 1 } }, limit);
  };
}
