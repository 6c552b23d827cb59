import { estimatedInputTokens } from '../../chat/estimate.ts';
import { withoutReasoning } from '../../chat/event-filters.ts';
import { stopAt } from '../../chat/stop-sequences.ts';
import type { DecoderMaker } from '../../chat/stream.ts';
import type { UpstreamServices } from '../../services.ts';
import type { MergedBodies } from '../../streaming/merged-bodies.ts';
import type { PreparedCall } from './apply-rules.ts';

/** Makes a decoder for each choice, with the filters for its events: hidden thinking, and stop sequences that end it here. */
export function choiceDecoders(
  { requests, stops, hideThinking }: PreparedCall,
  { config, upstream }: UpstreamServices,
  bodies: MergedBodies,
): DecoderMaker[] {
  return requests.map((request, choice) => (emit) => {
    const shown = hideThinking ? withoutReasoning(emit) : emit;
    const ownStops = stops[choice] ?? [];
    if (ownStops.length === 0) return upstream.backend.decoder(request, shown, config.limits.line);
    const stopping = stopAt(ownStops, estimatedInputTokens(request), shown, () => {
      bodies.cut = true;
    });
    return upstream.backend.decoder(request, stopping, config.limits.line);
  });
}
