import type { JsonObject, Tool } from '../../../../chat/request.ts';
import type { ToolType } from './offered-tools.ts';

type BuiltInType = Exclude<ToolType, 'function' | 'custom' | 'tool_search' | 'computer'>;

const timeout: JsonObject = { type: 'integer', description: 'Milliseconds after which it is stopped.' };

/** The tools that OpenAI's models know without a definition, as functions. Clients run them. */
const builtIn: Readonly<Record<BuiltInType, Tool>> = {
  local_shell: {
    name: 'local_shell',
    description: "Runs a command on the user's machine and returns its output.",
    parameters: {
      type: 'object',
      properties: {
        command: {
          type: 'array',
          items: { type: 'string' },
          description: 'The program and its arguments, such as ["bash", "-lc", "ls | head"].',
        },
        working_directory: { type: 'string' },
        timeout_ms: timeout,
      },
      required: ['command'],
    },
  },
  shell: {
    name: 'shell',
    description: 'Runs shell commands and returns their output.',
    parameters: {
      type: 'object',
      properties: {
        commands: { type: 'array', items: { type: 'string' }, description: 'Shell commands to run in this order.' },
        timeout_ms: timeout,
        max_output_length: { type: 'integer', description: 'Characters of the output to return.' },
      },
      required: ['commands'],
    },
  },
  apply_patch: {
    name: 'apply_patch',
    description: 'Creates, changes or deletes one file.',
    parameters: {
      type: 'object',
      properties: {
        type: { type: 'string', enum: ['create_file', 'update_file', 'delete_file'] },
        path: { type: 'string', description: 'Path of the file.' },
        diff: {
          type: 'string',
          description:
            'To create a file: its lines, each after a +. To change one: for each place a line @@ and then lines after a space (unchanged), - (removed) or + (added), with three unchanged lines around a change. To delete one: nothing.',
        },
      },
      required: ['type', 'path'],
    },
  },
};

/** True for a tool that needs no definition. */
export function isBuiltIn(type: string): type is BuiltInType {
  return Object.hasOwn(builtIn, type);
}

/** @returns the function that the model is offered */
export function builtInTool(type: BuiltInType): Tool {
  return builtIn[type];
}
