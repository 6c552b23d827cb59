import { estimatedInputTokens } from '../chat/estimate.ts';
import type { Emit } from '../chat/event.ts';
import type { GenerationRequest } from '../chat/request.ts';
import { withoutReasoning } from '../chat/stages.ts';
import { endingAt } from '../chat/stops.ts';
import type { DecoderMaker } from '../chat/stream.ts';
import type { Prepared } from './prepare.ts';
import type { LocalServices } from './services.ts';
import type { Source } from './source.ts';

/** The decoder of each choice, with what the operator and the client want done to its events on their way. */
export function decodersOf(prepared: Prepared, { config, upstream }: LocalServices, source: Source): DecoderMaker[] {
  return prepared.requests.map((request, choice) => (emit) => {
    const stops = prepared.stops[choice] ?? [];
    const shown = prepared.hideThinking ? withoutReasoning(emit) : emit;
    return upstream.backend.decoder(request, stopping(request, stops, shown, source), config.limits.line);
  });
}

function stopping(request: GenerationRequest, stops: readonly string[], emit: Emit, source: Source): Emit {
  if (stops.length === 0) return emit;
  return endingAt(stops, estimatedInputTokens(request), emit, () => {
    source.cut = true;
  });
}
