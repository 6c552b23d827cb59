import type { GatewayError } from '../../errors.ts';

/**
 * Writes the message of an error in the words that Claude Code recognizes. It then shortens its conversation, lowers
 * `max_tokens`, or removes the image; any other message ends the session or makes it send the same request again.
 *
 * @see https://platform.claude.com/docs/en/build-with-claude/context-windows
 */
export function messageOf(error: GatewayError): string {
  const { code, message, param, sizes: { prompt, output, maxOutput, context } = {} } = error;
  if (code === 'context_length_exceeded') {
    const sizes = prompt === undefined || context === undefined ? message : `${prompt} tokens > ${context} maximum`;
    return `prompt is too long: ${sizes}`;
  }
  if (code === 'max_tokens_too_large' && output !== undefined && maxOutput !== undefined) {
    return `max_tokens: ${output} > ${maxOutput}, which is the maximum allowed number of output tokens for this model`;
  }
  if (code === 'max_tokens_too_large' && output !== undefined && context !== undefined) {
    const sum = `${prompt ?? 1} + ${output} > ${context}`;
    return `input length and \`max_tokens\` exceed context limit: ${sum}, decrease input length or \`max_tokens\` and try again`;
  }
  if (isImageFault(error)) return imageMessage(error);
  return param === undefined || message.includes(param) ? message : `${param}: ${message}`;
}

/** The path of an image's data or address, as Anthropic's API does not write it. */
const imagePath = /^messages\[(\d+)\]\.content\[(\d+)\]\.source(?:\.(data|url|type))?$/;

/** Words of servers that cannot read an image. */
const unreadable =
  /\b(decode|load|process|read|preprocess|recognize|unknown|unsupported|invalid|identify)\b.{0,20}\bimages?\b(?! model)|\bimage: unknown format\b/i;

/** True for an image that cannot be read, here or by the server. Claude Code removes it from its conversation. */
export function isImageFault({ code, message, param = '' }: GatewayError): boolean {
  if (code !== 'invalid_value' && code !== 'upstream_request_failed') return false;
  return (imagePath.test(param) && !/\baudio\b/i.test(message)) || unreadable.test(message);
}

function imageMessage({ message, param = '' }: GatewayError): string {
  const [path, index, block, field] = imagePath.exec(param) ?? [];
  if (path === undefined) return `Could not process image: ${message}`;
  const source = field === 'url' ? 'url.url' : 'base64.data';
  return `messages.${index}.content.${block}.image.source.${source}: Could not process image: ${message}`;
}
