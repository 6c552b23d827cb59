import type { Attachments, Audio, Image, JsonObject, PdfDocument, Tool, ToolCall } from '../chat/request.ts';
import type { DroppedFields } from './dropped-fields.ts';
import type { ToolCallReader } from './tool-calls.ts';

/** The content of a message: each kind of part, in its order. */
export interface Content {
  readonly texts: string[];
  readonly thoughts: string[];
  readonly images: Image[];
  readonly audio: Audio[];
  readonly documents: PdfDocument[];
  readonly calls: ToolCall[];
  /** The types of parts that are passed over. */
  readonly leftOut: string[];
}

/** Finds a tool of the request by its name. */
export type FindTool = (name: string) => Tool | undefined;

export interface PartContext {
  /** The beginning of the names of dropped parts, such as `messages.content.`. */
  readonly prefix: string;
  readonly dropped: DroppedFields;
  /** Absent for a message whose author does not call tools. */
  readonly calls?: ToolCallReader | undefined;
  /** Absent for an API whose messages do not name tools. */
  readonly findTool?: FindTool | undefined;
}

/** One part of a content, and where it goes. */
export interface Part extends PartContext {
  readonly type: string;
  readonly fields: JsonObject;
  readonly path: string;
  readonly content: Content;
}

/** Passes over a part, and names it. */
export function leaveOut({ content, type, prefix, dropped }: Part): void {
  const name = /^[\w-]{1,40}$/.test(type) ? type : 'other';
  content.leftOut.push(name);
  dropped.add(`${prefix}${name}`, true);
}

/**
 * @returns the text of a content. Of one that holds nothing else, it says what was passed over, so that the message is not
 *   empty
 */
export function textOf({ texts, images, audio, leftOut }: Content): string {
  if (texts.length > 0 || images.length > 0 || audio.length > 0 || leftOut.length === 0) return texts.join('\n');
  return `(left out: ${leftOut.join(', ')})`;
}

/** @returns the fields of a message for what its content holds besides text */
export function attachmentsOf({ images, audio, documents }: Content): Attachments {
  return {
    ...(images.length > 0 && { images }),
    ...(audio.length > 0 && { audio }),
    ...(documents.length > 0 && { documents }),
  };
}
