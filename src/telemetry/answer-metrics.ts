import { Counter, type Registry } from 'prom-client';

/** Counts what llamaduct does to answers: the calls that it mends, the repetitions that it ends, the searches that it runs. */
export class AnswerMetrics {
  readonly repetitions: Counter<'model' | 'upstream'>;
  readonly repairedCalls: Counter<'model' | 'upstream' | 'repair'>;
  readonly toolRepairs: Counter<'model' | 'upstream' | 'outcome'>;
  readonly toolFallbacks: Counter<'model' | 'mode'>;
  readonly webSearches: Counter<'outcome'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.repetitions = new Counter({
      name: 'llamaduct_repetitions_ended_total',
      help: 'Answers that were ended because the model repeated itself.',
      labelNames: ['model', 'upstream'],
      registers,
    });
    this.repairedCalls = new Counter({
      name: 'llamaduct_tool_calls_repaired_total',
      help: 'Tool calls that were mended, by what was wrong: arguments that were no valid JSON, the name of the tool, or a call that came as text.',
      labelNames: ['model', 'upstream', 'repair'],
      registers,
    });
    this.toolRepairs = new Counter({
      name: 'llamaduct_tool_repairs_total',
      help: 'Responses that were requested again because of their tool calls, by outcome: repaired or failed.',
      labelNames: ['model', 'upstream', 'outcome'],
      registers,
    });
    this.toolFallbacks = new Counter({
      name: 'llamaduct_tool_fallbacks_total',
      help: 'Requests with tools to models without tool support, by mode: emulate, drop or refuse.',
      labelNames: ['model', 'mode'],
      registers,
    });
    this.webSearches = new Counter({
      name: 'llamaduct_web_searches_total',
      help: 'Web searches for models, by outcome: found, empty, unavailable, timeout, max_uses_exceeded, query_too_long, invalid_tool_input, too_many_requests or cancelled.',
      labelNames: ['outcome'],
      registers,
    });
  }
}
