import type { AnswerHead, GenerationCall, GenerationProtocol } from '../chat/protocol.ts';
import { conversationOf } from '../chat/conversation.ts';
import { serverTiming } from '../chat/server-timing.ts';
import { sumUsage } from '../chat/sum-usage.ts';
import { GatewayError } from '../errors.ts';
import { sendChoices, mergeChoices, collectChoices } from './steps/choices.ts';
import type { Adaptations } from './steps/send.ts';
import { parseJson } from '../http/request-body.ts';
import { choiceDecoders } from './steps/decoders.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { answerHead } from '../exchange/answer-head.ts';
import { droppedHeader } from './steps/dropped-fields.ts';
import type { Plan, Planner } from './plan.ts';
import { type PreparedCall, applyRules } from './steps/apply-rules.ts';
import { translatedStream } from '../streaming/translated-stream.ts';
import { sendJson } from '../http/respond.ts';
import type { Services } from '../services.ts';
import { Translator } from '../streaming/translator.ts';

/** Plans a generation request of any dialect, streamed or in one piece. */
export function generationPlanner(protocol: GenerationProtocol, services: Services): Planner {
  const names = namesOf(protocol);
  return async (c, body) => {
    const exchange = c.get('exchange');
    try {
      const call = await protocol.read(parseJson(body), exchange.key?.name ?? '');
      const prepared = await applyRules(call, services, exchange);
      const { droppedFields } = services;
      if (call.ready !== undefined) return sendJson(c, 200, call.ready, droppedFields.headers(prepared.dropped));
      const head = answerHead(exchange, call.requests[0].model || prepared.requests[0].model);
      const headersOf = (adapted: Adaptations): Record<string, string> => ({
        ...droppedFields.headers(droppedOf(call, prepared, adapted).map(names.field)),
        ...(adapted.truncated && { 'x-llamaduct-truncated': 'true' }),
      });
      const plan = call.stream ? streamed : whole;
      return plan({ call, prepared, head, exchange, services, headersOf, names, protocol });
    } catch (thrown) {
      throw names.error(thrown);
    }
  };
}

interface Planned {
  readonly call: GenerationCall;
  readonly prepared: PreparedCall;
  readonly head: AnswerHead;
  readonly exchange: Exchange;
  readonly services: Services;
  readonly headersOf: (adapted: Adaptations) => Record<string, string>;
  readonly names: Names;
  readonly protocol: GenerationProtocol;
}

function whole({ call, prepared, head, exchange, services, headersOf, names }: Planned): Plan {
  return {
    wanted: wantedBy(prepared),
    ask: async (upstream) => {
      try {
        const { adapted, results } = await collectChoices(prepared, { ...services, upstream }, exchange);
        const total = sumUsage(results);
        const timing = serverTiming(total.timings);
        const headers = { ...headersOf(adapted), ...(timing !== '' && { 'server-timing': timing }) };
        return { json: call.respond(results, total, head), headers };
      } catch (thrown) {
        throw names.error(thrown);
      }
    },
  };
}

function streamed({ call, prepared, head, exchange, services, headersOf, names, protocol }: Planned): Plan {
  const { contentType } = protocol;
  const common = {
    'content-type': contentType,
    'cache-control': 'no-cache',
    // nginx would hold the stream back.
    'x-accel-buffering': 'no',
  };
  return {
    wanted: wantedBy(prepared),
    ask: async (upstream) => {
      try {
        const here = { ...services, upstream };
        const { adapted, answers } = await sendChoices(prepared, here, exchange);
        const source = mergeChoices(answers, exchange);
        const translator = new Translator(choiceDecoders(prepared, here, source), call.encoder(head));
        const flow = await translatedStream(source, translator, exchange);
        return { status: 200, headers: { ...headersOf(adapted), ...common }, flow };
      } catch (thrown) {
        throw names.error(thrown);
      }
    },
    // Only SSE has a way to say something that is not part of the answer.
    ...(contentType.startsWith('text/event-stream') && {
      sse: {
        headers: { ...droppedHeader(prepared.dropped.map(names.field)), ...common },
        failure: (error: GatewayError) => call.encoder(head).fail(names.error(error)),
      },
    }),
  };
}

function wantedBy({ requests: [first] }: PreparedCall): Plan['wanted'] {
  return { model: first.model, conversation: () => conversationOf(first) };
}

/** What only the operator's rule asked for is not the client's loss. */
function droppedOf({ requests: [asked] }: GenerationCall, prepared: PreparedCall, adapted: Adaptations): string[] {
  const lost = adapted.dropped.filter((field) => field !== 'reasoning_effort' || asked.think !== undefined);
  return [...prepared.dropped, ...lost];
}

/** What the client's dialect calls things. */
interface Names {
  readonly field: (name: string) => string;
  /** What was thrown; an error of ours is about the dialect's field. */
  readonly error: <T>(thrown: T) => T | GatewayError;
}

function namesOf({ fieldNames = {} }: GenerationProtocol): Names {
  const field = (name: string): string => (Object.hasOwn(fieldNames, name) ? (fieldNames[name] ?? name) : name);
  return {
    field,
    error: (thrown) =>
      thrown instanceof GatewayError && thrown.param !== undefined ? thrown.about(field(thrown.param)) : thrown,
  };
}
