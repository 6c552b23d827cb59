import { brokenCallIn } from '../../calls/broken-call.ts';
import type { ChatResult } from '../../chat/accumulator.ts';
import type { ToolCallEvent } from '../../chat/event.ts';
import type {
  AssistantMessage,
  ChatRequest,
  GenerationRequest,
  JsonObject,
  Message,
  Tool,
} from '../../chat/request.ts';
import { quoted } from '../../errors.ts';
import { isObject, parseExact } from '../../framing/json.ts';
import { validateAnswer } from '../../schema/json-schema.ts';
import { namesOf } from './tool-calls.ts';
import { hasTools } from './tool-fallback.ts';
import { withAnotherSeed } from './validation.ts';

/** Names of tools in a message to the model. */
const maxListed = 50;
/** Characters of the model's own arguments in a message to it. */
const maxQuoted = 1_000;

/**
 * Checks the calls of an answer against the tools of its request. An answer that was cut at its length is not checked: another
 * one would be cut, too.
 *
 * @returns true if the model should be asked again
 */
export function hasFaultyCalls(request: GenerationRequest, result: ChatResult): boolean {
  if (!hasTools(request) || result.finishReason === 'length') return false;
  if (result.toolCalls.length > 0) return result.toolCalls.some((call) => faultOf(call, request.tools) !== undefined);
  return request.format === undefined && brokenCallIn(result.text, namesOf(request.tools));
}

/** @returns the request with the answer and what was wrong with it */
export function withFaults(request: GenerationRequest, result: ChatResult): GenerationRequest {
  if (!hasTools(request)) return request;
  const added = result.toolCalls.length > 0 ? resultsOf(result, request.tools) : complaint(result, request);
  return withAnotherSeed({ ...request, messages: [...request.messages, ...added] });
}

function answerOf({ text }: ChatResult, toolCalls: AssistantMessage['toolCalls']): AssistantMessage {
  return { role: 'assistant', text, reasoning: '', toolCalls };
}

function resultsOf(result: ChatResult, tools: readonly Tool[]): Message[] {
  const calls = result.toolCalls.map(({ id, name, arguments: args }) => ({
    id,
    name,
    arguments: objectIn(args) ?? {},
  }));
  const results = result.toolCalls.map((call): Message => {
    const fault = faultOf(call, tools);
    const text = fault === undefined ? 'Not run, because another call was wrong. Make it again.' : `Not run: ${fault}`;
    return { role: 'tool', text, callId: call.id, name: call.name };
  });
  return [answerOf(result, calls), ...results];
}

function complaint(result: ChatResult, { tools }: Required<Pick<ChatRequest, 'tools'>>): Message[] {
  const text = `Your tool call could not be read: its JSON is broken, or it calls a tool that does not exist. ${list(tools)} Make the call again.`;
  return [answerOf(result, []), { role: 'user', text, images: [] }];
}

/** @returns what is wrong with a call, in words for the model; undefined if nothing is */
function faultOf({ name, arguments: args }: ToolCallEvent, tools: readonly Tool[]): string | undefined {
  const tool = tools.find((one) => one.name === name);
  if (tool === undefined) return `there is no tool ${quoted(name)}. ${list(tools)}`;
  const value = objectIn(args);
  if (value === undefined) {
    return `the arguments of ${name} are not a valid JSON object. You wrote: ${args.slice(0, maxQuoted)}`;
  }
  const { parameters } = tool;
  const missing = missingIn(value, parameters);
  if (missing.length > 0) return `required arguments of ${name} are missing: ${missing.join(', ')}.`;
  const reason = parameters === undefined ? undefined : validateAnswer(parameters, args);
  // A schema that cannot be checked is not the model's fault.
  return reason?.startsWith('it violates') === true
    ? `the arguments of ${name} do not match its schema: ${reason}.`
    : undefined;
}

function missingIn(value: JsonObject, parameters: JsonObject | undefined): string[] {
  const required = parameters?.['required'];
  if (!Array.isArray(required)) return [];
  return required.filter((name): name is string => typeof name === 'string' && !Object.hasOwn(value, name));
}

function objectIn(args: string): JsonObject | undefined {
  try {
    const value = parseExact(args);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function list(tools: readonly Tool[]): string {
  const names = tools.slice(0, maxListed).map(({ name }) => name);
  return `The tools are: ${names.join(', ')}${tools.length > maxListed ? ', and others' : ''}.`;
}
