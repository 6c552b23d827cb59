import { ThinkTags } from '../../chat/filters/think-tags.ts';
import type { JsonObject } from '../../chat/request.ts';
import { isObject, jsonLine, parseExact, textIn } from '../../framing/json.ts';

/**
 * Creates a filter for an answer of `/api/chat` or `/api/generate`, which moves a `<think>` block at the beginning of the content
 * to `thinking`.
 *
 * @returns a function that changes the next line of a stream, or a whole answer; '' for a line of which nothing remains
 */
export function thinkTagFilter(): (json: string) => string {
  const tags = new ThinkTags();
  return (json) => {
    const line = tags.isPast ? undefined : parse(json);
    if (line === undefined || line['error']) return json;
    const message = isObject(line['message']) ? line['message'] : undefined;
    const said = message ?? line;
    const field = message === undefined ? 'response' : 'content';
    const [content, thinking] = [textIn(said[field]), textIn(said['thinking'])];
    const parts = split(content, tags, line['done'] === true || said['tool_calls'] != null);
    const changed = { [field]: parts.text, thinking: thinking + parts.reasoning };
    if (changed[field] === content && changed.thinking === thinking) return json;
    if (changed[field] === '' && changed.thinking === '' && line['done'] !== true) return '';
    const { thinking: _, ...unchanged } = changed;
    const fields = changed.thinking === '' ? unchanged : changed;
    return jsonLine(message === undefined ? { ...line, ...fields } : { ...line, message: { ...message, ...fields } });
  };
}

/** @param isLast true if no more content follows */
function split(content: string, tags: ThinkTags, isLast: boolean): ReturnType<ThinkTags['push']> {
  const parts = tags.push(content);
  if (!isLast) return parts;
  const rest = tags.end();
  return { reasoning: parts.reasoning + rest.reasoning, text: parts.text + rest.text };
}

function parse(json: string): JsonObject | undefined {
  try {
    const line = parseExact(json);
    return isObject(line) ? line : undefined;
  } catch {
    return undefined;
  }
}
