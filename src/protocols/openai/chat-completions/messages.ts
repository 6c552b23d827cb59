import type { Image, JsonObject, Message } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { isObject } from '../../../framing/json.ts';
import type { DroppedFields } from '../../dropped-fields.ts';
import { array, object, oneOf, required, string } from '../../fields.ts';
import { readImageUrl } from '../../images.ts';
import { ToolCallReader } from '../../tool-calls.ts';

const roles = ['system', 'developer', 'user', 'assistant', 'tool'] as const;

/**
 * Reads `messages`. Each message stays one message, however many parts its content has.
 *
 * @throws {GatewayError} 400 with `param` for an empty array and for a message that cannot be read
 * @see https://platform.openai.com/docs/api-reference/chat/create (messages)
 */
export function readMessages(value: unknown, dropped: DroppedFields): Message[] {
  const items = required(array, value, 'messages');
  if (items.length === 0) throw invalidValue('messages', 'messages must have at least one message.');
  const calls = new ToolCallReader();
  return items.map((item, index) => readMessage(item, `messages[${index}]`, calls, dropped));
}

function readMessage(item: unknown, path: string, calls: ToolCallReader, dropped: DroppedFields): Message {
  const message = required(object, item, path);
  const role = required(oneOf, message['role'], `${path}.role`, roles);
  const content = readContent(message['content'], `${path}.content`, dropped);
  if (role !== 'user' && content.images.length > 0) {
    throw invalidValue(`${path}.content`, `Only user messages can contain images, but ${path} has the role ${role}.`);
  }
  // The name in a tool message is the tool's, and is sent. Ollama has no field for the name of another author.
  if (role !== 'tool') dropped.add('messages.name', message['name']);
  switch (role) {
    case 'system':
    case 'developer':
      return { role: 'system', text: content.text };
    case 'user':
      return { role, ...content };
    case 'assistant': {
      dropped.add('messages.function_call', message['function_call']);
      dropped.add('messages.audio', message['audio']);
      const refusal = string(message['refusal'], `${path}.refusal`) ?? '';
      const toolCalls = calls.readCalls(message['tool_calls'], `${path}.tool_calls`);
      return { role, text: content.text || refusal, reasoning: readReasoning(message, path), toolCalls };
    }
    case 'tool': {
      const callId = string(message['tool_call_id'], `${path}.tool_call_id`) ?? '';
      const name = string(message['name'], `${path}.name`) ?? calls.nameOf(callId);
      return { role, text: content.text, callId, name };
    }
    default:
      return role satisfies never;
  }
}

/** Reads the thinking that an earlier answer contained, under either of the names that it is sent by. */
function readReasoning(message: JsonObject, path: string): string {
  return (
    string(message['reasoning_content'], `${path}.reasoning_content`) ??
    string(message['reasoning'], `${path}.reasoning`) ??
    ''
  );
}

/** Reads a content: a string, an array of parts, or nothing, as clients also send null and []. Texts are joined by \n. */
function readContent(value: unknown, path: string, dropped: DroppedFields): { text: string; images: Image[] } {
  if (value == null) return { text: '', images: [] };
  if (typeof value === 'string') return { text: value, images: [] };
  if (!Array.isArray(value)) throw invalidValue(path, `${path} must be a string or an array of parts.`);
  const texts: string[] = [];
  const images: Image[] = [];
  value.forEach((item: unknown, index) => {
    const partPath = `${path}[${index}]`;
    const part = required(object, item, partPath);
    switch (part['type']) {
      case 'text':
        texts.push(required(string, part['text'], `${partPath}.text`));
        return;
      case 'refusal':
        texts.push(required(string, part['refusal'], `${partPath}.refusal`));
        return;
      case 'image_url':
        images.push(readImage(part['image_url'], `${partPath}.image_url`, dropped));
        return;
      default:
        throw invalidValue(
          `${partPath}.type`,
          `${partPath}.type must be text or image_url. Other content is not supported.`,
        );
    }
  });
  return { text: texts.join('\n'), images };
}

/** Reads an image: an object with its `url`, or the address alone. */
function readImage(value: unknown, path: string, dropped: DroppedFields): Image {
  if (!isObject(value)) return readImageUrl(required(string, value, path), path);
  dropped.add('messages.content.image_url.detail', value['detail']);
  return readImageUrl(required(string, value['url'], `${path}.url`), `${path}.url`);
}
