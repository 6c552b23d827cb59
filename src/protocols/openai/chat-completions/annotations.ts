import type { ChatCompletionMessage } from 'openai/resources/chat/completions';
import type { Citation } from '../../../chat/search.ts';

/**
 * @returns the annotation for the address of a search result in the content
 * @see https://platform.openai.com/docs/api-reference/chat/object (annotations)
 */
export function toAnnotation({ title, url, start, end }: Citation): ChatCompletionMessage.Annotation {
  return { type: 'url_citation', url_citation: { start_index: start, end_index: end, title, url } };
}
