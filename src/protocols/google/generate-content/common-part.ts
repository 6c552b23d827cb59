import type { JsonObject } from '../../../chat/request.ts';
import { isObject, textIn } from '../../../framing/json.ts';

interface CommonPart {
  /** The part in the form that the readers of all APIs know. */
  readonly part: unknown;
  readonly path: string;
}

/**
 * Converts one of Google's parts, whose kind is the name of its field, to a part with a `type`.
 *
 * @see https://ai.google.dev/api/caching#Part
 */
export function toCommonPart(value: unknown, path: string): CommonPart {
  if (!isObject(value)) return { part: value, path };
  const { text, thought, inlineData, fileData, functionCall, executableCode, codeExecutionResult } = value;
  if (typeof text === 'string') {
    return { part: thought === true ? { type: 'thinking', thinking: text } : { type: 'text', text }, path };
  }
  if (isObject(inlineData)) return { part: inlinePart(inlineData), path: `${path}.inlineData` };
  if (isObject(fileData)) return { part: filePart(fileData), path: `${path}.fileData` };
  if (isObject(functionCall)) {
    const { id, name, args } = functionCall;
    return { part: { type: 'tool_use', id, name, input: args }, path };
  }
  if (isObject(executableCode)) {
    const fenced = `\`\`\`${textIn(executableCode['language']).toLowerCase()}\n${textIn(executableCode['code'])}\n\`\`\``;
    return { part: { type: 'text', text: fenced }, path };
  }
  if (isObject(codeExecutionResult)) {
    return { part: { type: 'text', text: textIn(codeExecutionResult['output']) }, path };
  }
  // A signature may have a part of its own.
  const kind = Object.keys(value).find((name) => name !== 'thoughtSignature' && name !== 'thought' && name !== 'text');
  return { part: kind === undefined ? null : { type: kind }, path };
}

function inlinePart({ mimeType, data, displayName }: JsonObject): JsonObject {
  const type = textIn(mimeType).toLowerCase();
  const base64 = typeof data === 'string' ? standardBase64(data) : data;
  if (type.startsWith('image/') || type === '') return { type: 'image', data: base64 ?? null, source: undefined };
  if (type.startsWith('audio/')) return { type: 'input_audio', data: base64, format: type };
  return { type: 'file', file: { filename: displayName, mediaType: type, file_data: base64 } };
}

function filePart({ mimeType, fileUri, displayName }: JsonObject): JsonObject {
  const isImage = textIn(mimeType).toLowerCase().startsWith('image/');
  if (isImage && /^(?:https?|data):/i.test(textIn(fileUri))) return { type: 'image_url', image_url: fileUri };
  return { type: 'file', file: { filename: displayName, file_url: fileUri } };
}

/** Google's JSON may have the alphabet of URLs. */
function standardBase64(data: string): string {
  return /[-_]/.test(data) && !data.startsWith('data:') ? data.replaceAll('-', '+').replaceAll('_', '/') : data;
}
