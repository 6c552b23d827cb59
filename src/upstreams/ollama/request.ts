import type { ChatRequest as OllamaChatRequest, Message as OllamaMessage, Options, Tool as OllamaTool } from 'ollama';
import type { ChatRequest, Message, Sampling, Tool } from '../../chat/request.ts';

/**
 * A chat as the body of `POST /api/chat`, always streamed: a stream is what can be cancelled and measured.
 *
 * @see https://docs.ollama.com/api/chat
 */
export function toOllamaChat(request: ChatRequest): object {
  const options = { ...request.options, ...toOptions(request.sampling) };
  return {
    model: request.model,
    messages: request.messages.map(toMessage),
    stream: true,
    ...(request.tools !== undefined && { tools: request.tools.map(toTool) }),
    ...(request.format !== undefined && { format: request.format }),
    // The ollama package's type stops at 'high'; the server of 2026 takes 'max' too.
    ...(request.think !== undefined && { think: request.think as NonNullable<OllamaChatRequest['think']> }),
    ...(request.keepAlive !== undefined && { keep_alive: request.keepAlive }),
    ...(request.logprobs !== undefined && {
      logprobs: true,
      ...(request.logprobs.top > 0 && { top_logprobs: request.logprobs.top }),
    }),
    ...(Object.keys(options).length > 0 && { options }),
  } satisfies OllamaChatRequest;
}

function toOptions(sampling: Sampling): Partial<Options> {
  return {
    ...(sampling.temperature !== undefined && { temperature: sampling.temperature }),
    ...(sampling.topP !== undefined && { top_p: sampling.topP }),
    ...(sampling.seed !== undefined && { seed: sampling.seed }),
    ...(sampling.stop !== undefined && { stop: [...sampling.stop] }),
    ...(sampling.frequencyPenalty !== undefined && { frequency_penalty: sampling.frequencyPenalty }),
    ...(sampling.presencePenalty !== undefined && { presence_penalty: sampling.presencePenalty }),
    ...(sampling.maxTokens !== undefined && { num_predict: sampling.maxTokens }),
  };
}

/** The server reads tool_call ids and a tool message's call id; the ollama package does not declare them yet. */
type WireMessage = OllamaMessage & {
  tool_calls?: (NonNullable<OllamaMessage['tool_calls']>[number] & { id: string })[];
  tool_call_id?: string;
};

function toMessage(message: Message): WireMessage {
  switch (message.role) {
    case 'system':
      return { role: 'system', content: message.text };
    case 'user':
      return { role: 'user', content: message.text, ...(message.images.length > 0 && { images: [...message.images] }) };
    case 'assistant':
      return {
        role: 'assistant',
        content: message.text,
        ...(message.reasoning !== '' && { thinking: message.reasoning }),
        ...(message.toolCalls.length > 0 && {
          tool_calls: message.toolCalls.map(({ id, name, arguments: args }) => ({
            id,
            function: { name, arguments: args },
          })),
        }),
      };
    case 'tool':
      return {
        role: 'tool',
        content: message.text,
        tool_call_id: message.callId,
        ...(message.name !== undefined && { tool_name: message.name }),
      };
    default:
      return message satisfies never;
  }
}

function toTool(tool: Tool): OllamaTool {
  return {
    type: 'function',
    function: {
      name: tool.name,
      ...(tool.description !== undefined && { description: tool.description }),
      ...(tool.parameters !== undefined && { parameters: tool.parameters }),
    },
  };
}
