import { isObject } from '../framing/json.ts';
import { type FindTool, type Part, leaveOut } from './part.ts';

/** Reads a reference to a tool, as the result of a search for tools contains it. The model gets the definition. */
export function readToolReference(part: Part): void {
  const { content, fields, findTool } = part;
  const name = fields['tool_name'] ?? fields['name'];
  if (findTool === undefined || typeof name !== 'string') return leaveOut(part);
  content.texts.push(definitionOf(name, findTool));
}

/** Reads the addition of a tool during a conversation. */
export function readToolAddition(part: Part): void {
  const { content, findTool } = part;
  const name = changedTool(part);
  if (findTool === undefined || name === undefined) return leaveOut(part);
  content.texts.push(`A tool was added:\n${definitionOf(name, findTool)}`);
}

/** Reads the removal of a tool during a conversation. */
export function readToolRemoval(part: Part): void {
  const name = part.findTool === undefined ? undefined : changedTool(part);
  if (name === undefined) return leaveOut(part);
  part.content.texts.push(`The tool ${name} was removed. It can no longer be called.`);
}

/** Passes over the result of a search by the API: the tools that it found are offered to the model. */
export function readFoundTools(part: Part): void {
  if (part.findTool === undefined) leaveOut(part);
}

/** @returns the name of the tool that is added or removed; undefined for a tool of an MCP server */
function changedTool({ fields: { tool } }: Part): string | undefined {
  if (!isObject(tool) || String(tool['type']).startsWith('mcp_')) return undefined;
  const { name } = isObject(tool['definition']) ? tool['definition'] : tool;
  return typeof name === 'string' ? name : undefined;
}

/** @returns the definition in the form in which Claude Code describes results of its search to the model */
function definitionOf(name: string, findTool: FindTool): string {
  const tool = findTool(name);
  if (tool === undefined) return `The tool ${name} is not available.`;
  const { description, parameters } = tool;
  return `<functions>\n<function>${JSON.stringify({ description, name, parameters })}</function>\n</functions>`;
}
