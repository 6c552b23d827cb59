import type {
  ChatCompletionAssistantMessageParam,
  ChatCompletionContentPart,
  ChatCompletionContentPartImage,
  ChatCompletionContentPartInputAudio,
  ChatCompletionMessageParam,
} from 'openai/resources/chat/completions';
import type { AssistantMessage, Audio, Image, Message, UserMessage } from '../../chat/request.ts';
import { GatewayError } from '../../errors.ts';
import { imageType, sniffedBytes } from '../../images/sniff.ts';
import { withPairedResults } from './paired-results.ts';
import { withCallIds } from './tool-ids.ts';

/**
 * Translates the messages of a chat.
 *
 * @param sendReasoning true to send the reasoning of earlier messages, for which OpenAI itself has no field
 */
export function toMessages(messages: readonly Message[], sendReasoning: boolean): ChatCompletionMessageParam[] {
  return withPairedResults(withCallIds(messages)).map((message) => toMessage(message, sendReasoning));
}

function toMessage(message: Message, sendReasoning: boolean): ChatCompletionMessageParam {
  switch (message.role) {
    case 'system':
      return { role: 'system', content: message.text };
    case 'user':
      return { role: 'user', content: toContent(message) };
    case 'assistant':
      return toAssistant(message, sendReasoning);
    case 'tool':
      return { role: 'tool', tool_call_id: message.callId, content: message.text };
    case 'other':
      // The type has OpenAI's own roles. Local servers pass any role to the model's template.
      return { role: message.name as 'user', content: message.text };
    default:
      return message satisfies never;
  }
}

function toContent({ text, images, audio = [] }: UserMessage): string | ChatCompletionContentPart[] {
  if (images.length === 0 && audio.length === 0) return text;
  const parts = [...images.map(toPart), ...audio.map(toAudioPart)];
  return text === '' ? parts : [{ type: 'text', text }, ...parts];
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
        // Servers refuse a call without a name.
        function: { name: name || 'unknown', arguments: JSON.stringify(args) },
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

function toAudioPart(audio: Audio): ChatCompletionContentPartInputAudio {
  if (!('base64' in audio)) throw new GatewayError('internal_error', 'A recording was not read.');
  // The type has OpenAI's two formats. Other servers take more.
  return { type: 'input_audio', input_audio: { data: audio.base64, format: audio.format as 'wav' } };
}
