export { callItem, callItemType } from './call-items.ts';
export { callEvents } from './call-events.ts';
export { OfferedTools } from './offered-tools.ts';
export { type ToolChoice, applyToolChoice, readToolChoice } from './read-choice.ts';
export { type ToolList, readTools } from './read-tools.ts';
export {
  type ToolItem,
  functionCallOf,
  hasOutput,
  isToolItem,
  offerFound,
  readToolItem,
  toolOutputOf,
} from './tool-items.ts';
