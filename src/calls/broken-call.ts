import { decideAfterMark, maxBeginning } from './formats/beginning.ts';
import { type Mark, markIn } from './formats/marks.ts';
import type { ToolNames } from './tool-names.ts';

/** Thinking and code, in which calls are only quoted. */
const quotations = /^\s*<(think(?:ing)?)>[^]*?<\/\1>|```[^]*?```|`[^`\n]+`/g;

/** Marks that are looked at. */
const maxMarks = 100;

/** True for the text of an answer in which a call begins. It is broken, or it would have been read. */
export function brokenCallIn(text: string, names: ToolNames): boolean {
  const own = text.replaceAll(quotations, '');
  let at = 0;
  for (let count = 0; count < maxMarks; count += 1) {
    const found = markIn(own, at);
    if (found === undefined) return false;
    if (beginsCall(found.mark, own.slice(found.index, found.index + maxBeginning), names)) return true;
    at = found.index + 1;
  }
  return false;
}

function beginsCall(mark: Mark, beginning: string, names: ToolNames): boolean {
  const form = decideAfterMark(mark, beginning.slice(mark.open.length), names);
  return form !== undefined && form !== 'text';
}
