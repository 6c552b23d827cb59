import { hasMedia } from '../../chat/history/settle.ts';
import type { TotalUsage } from '../../chat/stream.ts';
import type { Demand } from '../../pool/slots.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { Services } from '../../services.ts';
import type { PreparedCall } from './apply-rules.ts';

/** Learns how many tokens a prompt has, when the server that answers has counted them. */
export function learnTokens(prepared: PreparedCall, { tokenCounter }: Services, exchange: Exchange): void {
  const demand = textDemand(prepared);
  if (demand === undefined) return;
  const { model, inputTokens } = demand;
  exchange.onEnd(({ usage }) => {
    if (usage !== undefined) tokenCounter.learn(model, inputTokens, usage.usage.inputTokens);
  });
}

/** @returns the tokens of a prompt, counted without a server; undefined if only a server can tell */
export function countTokens(prepared: PreparedCall, { tokenCounter }: Services): TotalUsage | undefined {
  const demand = textDemand(prepared);
  const inputTokens = demand && tokenCounter.count(demand.model, demand.inputTokens);
  return inputTokens === undefined ? undefined : { usage: { inputTokens, outputTokens: 0 }, timings: {} };
}

/** @returns the estimate for a single prompt; undefined for one with images or recordings, whose tokens cannot be estimated */
function textDemand({ requests: [request, ...others], demands: [demand] }: PreparedCall): Demand | undefined {
  const isText = request.kind !== 'chat' || !request.messages.some(hasMedia);
  return others.length === 0 && isText ? demand : undefined;
}
