import { estimatedInputTokens } from '../../chat/estimate.ts';
import type { Emit } from '../../chat/event.ts';
import type { GenerationRequest } from '../../chat/request.ts';
import { withoutReasoning } from '../../chat/event-filters.ts';
import { stopAt } from '../../chat/stop-sequences.ts';
import type { DecoderMaker } from '../../chat/stream.ts';
import type { PreparedCall } from './apply-rules.ts';
import type { UpstreamServices } from '../../services.ts';
import type { MergedBodies } from '../../streaming/merged-bodies.ts';

/** The decoder of each choice, with what the operator and the client want done to its events on their way. */
export function choiceDecoders(
  prepared: PreparedCall,
  { config, upstream }: UpstreamServices,
  source: MergedBodies,
): DecoderMaker[] {
  return prepared.requests.map((request, choice) => (emit) => {
    const stops = prepared.stops[choice] ?? [];
    const shown = prepared.hideThinking ? withoutReasoning(emit) : emit;
    return upstream.backend.decoder(request, stopping(request, stops, shown, source), config.limits.line);
  });
}

function stopping(request: GenerationRequest, stops: readonly string[], emit: Emit, source: MergedBodies): Emit {
  if (stops.length === 0) return emit;
  return stopAt(stops, estimatedInputTokens(request), emit, () => {
    source.cut = true;
  });
}
