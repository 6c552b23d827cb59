import { invalidValue } from '../errors.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** Fields that have a series of their own in the metrics; a client can send any other, so all others share one. */
const known = new Set(
  (
    'audio function_call functions logit_bias messages.content.image_url messages.content.image_url.detail messages.name messages.audio messages.function_call metadata modalities ' +
    'moderation parallel_tool_calls prediction prompt_cache_key prompt_cache_retention reasoning_effort ' +
    'safety_identifier service_tier store stream_options.include_obfuscation tools.function.strict user verbosity ' +
    'web_search_options best_of echo encoding_format'
  ).split(' '),
);

/** @throws {GatewayError} 400 for the first field that would change nothing */
export function refuseDropped([field]: readonly string[]): void {
  if (field !== undefined) throw invalidValue(field, `${field} would change nothing, and this server is strict.`);
}

const maxNamed = 20;

/** Names what a request held that changed nothing: in a header of its answer, and in the metrics. */
export function dropped(fields: readonly string[], metrics: Metrics): Record<string, string> {
  const unique = [...new Set(fields)];
  for (const field of unique) metrics.lossy.inc({ field: known.has(field) ? field : 'other' });
  const named = unique.slice(0, maxNamed).map((field) => (/^[\w.-]{1,64}$/.test(field) ? field : 'other'));
  return named.length === 0 ? {} : { 'x-llamaduct-dropped': named.join(', ') };
}
