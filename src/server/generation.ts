import type { AnswerHead, GenerationCall, GenerationProtocol } from '../chat/protocol.ts';
import { conversationOf } from '../chat/conversation.ts';
import { serverTiming } from '../chat/server-timing.ts';
import { totalOf } from '../chat/total.ts';
import { GatewayError } from '../errors.ts';
import { askAll, sourceOf, wholeAnswers } from './answers.ts';
import type { Adapted } from './ask.ts';
import { parseJson } from './body.ts';
import { decodersOf } from './decoders.ts';
import type { Exchange } from './exchange.ts';
import { headOf } from './head.ts';
import { droppedHeader } from './ledger.ts';
import type { Plan, Planner } from './plan.ts';
import { type Prepared, prepare } from './prepare.ts';
import { relay } from './relay.ts';
import { sendJson } from './respond.ts';
import type { Services } from './services.ts';
import { Translator } from './translator.ts';

/** Plans a generation request of any dialect, streamed or in one piece. */
export function generationPlanner(protocol: GenerationProtocol, services: Services): Planner {
  const names = namesOf(protocol);
  return async (c, body) => {
    const exchange = c.get('exchange');
    try {
      const call = await protocol.read(parseJson(body), exchange.key?.name ?? '');
      const prepared = await prepare(call, services, exchange);
      const { ledger } = services;
      if (call.ready !== undefined) return sendJson(c, 200, call.ready, ledger.headers(prepared.dropped));
      const head = headOf(exchange, call.requests[0].model || prepared.requests[0].model);
      const headersOf = (adapted: Adapted): Record<string, string> => ({
        ...ledger.headers(droppedOf(call, prepared, adapted).map(names.field)),
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
  readonly prepared: Prepared;
  readonly head: AnswerHead;
  readonly exchange: Exchange;
  readonly services: Services;
  readonly headersOf: (adapted: Adapted) => Record<string, string>;
  readonly names: Names;
  readonly protocol: GenerationProtocol;
}

function whole({ call, prepared, head, exchange, services, headersOf, names }: Planned): Plan {
  return {
    wanted: wantedBy(prepared),
    ask: async (upstream) => {
      try {
        const { adapted, results } = await wholeAnswers(prepared, { ...services, upstream }, exchange);
        const total = totalOf(results);
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
        const { adapted, answers } = await askAll(prepared, here, exchange);
        const source = sourceOf(answers, exchange);
        const translator = new Translator(decodersOf(prepared, here, source), call.encoder(head));
        const flow = await relay(source, translator, exchange);
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

function wantedBy({ requests: [first] }: Prepared): Plan['wanted'] {
  return { model: first.model, conversation: () => conversationOf(first) };
}

/** What only the operator's rule asked for is not the client's loss. */
function droppedOf({ requests: [asked] }: GenerationCall, prepared: Prepared, adapted: Adapted): string[] {
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
