import type {
  ChatCompletionAssistantMessageParam,
  ChatCompletionContentPartImage,
  ChatCompletionMessageParam,
} from 'openai/resources/chat/completions';
import type { AssistantMessage, Image, Message } from '../../chat/request.ts';
import { GatewayError } from '../../errors.ts';
import { imageType, sniffedBytes } from '../../images/sniff.ts';
import { withCallIds } from './tool-ids.ts';

/**
 * Translates the messages of a chat.
 *
 * @param sendReasoning true to send the reasoning of earlier messages, for which OpenAI itself has no field
 */
export function toMessages(messages: readonly Message[], sendReasoning: boolean): ChatCompletionMessageParam[] {
  return withCallIds(messages).map((message) => toMessage(message, sendReasoning));
}

function toMessage(message: Message, sendReasoning: boolean): ChatCompletionMessageParam {
  switch (message.role) {
    case 'system':
      return { role: 'system', content: message.text };
    case 'user': {
      if (message.images.length === 0) return { role: 'user', content: message.text };
      const images = message.images.map(toPart);
      return {
        role: 'user',
        content: message.text === '' ? images : [{ type: 'text', text: message.text }, ...images],
      };
    }
    case 'assistant':
      return toAssistant(message, sendReasoning);
    case 'tool':
      return { role: 'tool', tool_call_id: message.callId, content: message.text };
    default:
      return message satisfies never;
  }
}

function toAssistant(
  { text, reasoning, toolCalls }: AssistantMessage,
  sendReasoning: boolean,
): ChatCompletionAssistantMessageParam & { reasoning_content?: string } {
  return {
    role: 'assistant',
    content: text === '' && toolCalls.length > 0 ? null : text,
    ...(sendReasoning && reasoning !== '' && { reasoning_content: reasoning }),
    ...(toolCalls.length > 0 && {
      tool_calls: toolCalls.map(({ id, name, arguments: args }) => ({
        id,
        type: 'function' as const,
        function: { name, arguments: JSON.stringify(args) },
      })),
    }),
  };
}

/** Characters of base64 that decode to the bytes by which the image type is recognized. */
const sniffedCharacters = Math.ceil(sniffedBytes / 3) * 4;

function toPart(image: Image): ChatCompletionContentPartImage {
  if (!('base64' in image)) throw new GatewayError('internal_error', 'An image was not fetched.');
  const { base64 } = image;
  const type = imageType(Buffer.from(base64.slice(0, sniffedCharacters), 'base64')) ?? 'png';
  return { type: 'image_url', image_url: { url: `data:image/${type};base64,${base64}` } };
}
