import type { ComputerAction, ResponseComputerToolCall } from 'openai/resources/responses/responses';
import type { JsonObject, Tool } from '../../../../chat/request.ts';
import { isObject, textIn } from '../../../../framing/json.ts';

/** The types of the tool: the current one, and those of the preview. */
const computerTypes: ReadonlySet<string> = new Set(['computer', 'computer_use', 'computer_use_preview']);

/** True for the type of a tool that clicks and types, which the client runs. */
export function isComputer(type: string): boolean {
  return computerTypes.has(type);
}

const integer: JsonObject = { type: 'integer' };

/**
 * @param fields of the tool; those of the preview say how large the screen is
 * @returns the function that the model is offered
 */
export function computerTool({ display_width: width, display_height: height, environment }: JsonObject): Tool {
  const size =
    typeof width === 'number' && typeof height === 'number' ? ` The screen has ${width} x ${height} pixels.` : '';
  const kind = typeof environment === 'string' ? ` It is a computer of the type ${environment.slice(0, 40)}.` : '';
  return {
    name: 'computer',
    description: `Does one action on the user's computer and returns a screenshot.${kind}${size}`,
    parameters: {
      type: 'object',
      properties: {
        type: {
          type: 'string',
          enum: ['screenshot', 'click', 'double_click', 'move', 'drag', 'scroll', 'type', 'keypress', 'wait'],
        },
        x: { ...integer, description: 'Pixels from the left: of click, double_click, move and scroll.' },
        y: { ...integer, description: 'Pixels from the top.' },
        button: { type: 'string', enum: ['left', 'right', 'wheel', 'back', 'forward'] },
        scroll_x: { ...integer, description: 'Pixels to scroll to the right.' },
        scroll_y: { ...integer, description: 'Pixels to scroll down.' },
        text: { type: 'string', description: 'The text to type.' },
        keys: { type: 'array', items: { type: 'string' }, description: 'The keys to press together.' },
        path: {
          type: 'array',
          items: { type: 'object', properties: { x: integer, y: integer }, required: ['x', 'y'] },
          description: 'The points to drag through.',
        },
      },
      required: ['type'],
    },
  };
}

type Fields = Pick<ResponseComputerToolCall, 'action' | 'actions' | 'pending_safety_checks'>;

/** @param type of the tool. The current one has a list of actions, which the preview has not */
export function computerFields(args: JsonObject, type: string): Fields {
  const action = toAction(args);
  return { action, ...(type === 'computer' && { actions: [action] }), pending_safety_checks: [] };
}

/** Fills in what a model left out. Whatever is no action becomes a screenshot, which shows the model where it is. */
function toAction(args: JsonObject): ComputerAction {
  const point = { x: numberIn(args['x']), y: numberIn(args['y']) };
  switch (args['type']) {
    case 'click':
      return { type: 'click', button: buttonIn(args['button']), ...point };
    case 'double_click':
      return { type: 'double_click', keys: null, ...point };
    case 'move':
      return { type: 'move', ...point };
    case 'scroll':
      return { type: 'scroll', ...point, scroll_x: numberIn(args['scroll_x']), scroll_y: numberIn(args['scroll_y']) };
    case 'type':
      return { type: 'type', text: textIn(args['text']) };
    case 'keypress':
      return { type: 'keypress', keys: [args['keys']].flat().map(textIn) };
    case 'drag':
      return { type: 'drag', path: pointsIn(args['path']) };
    case 'wait':
      return { type: 'wait' };
    default:
      return { type: 'screenshot' };
  }
}

type Button = Extract<ComputerAction, { type: 'click' }>['button'];

function buttonIn(value: unknown): Button {
  return (['right', 'wheel', 'back', 'forward'] as const).find((button) => button === value) ?? 'left';
}

function pointsIn(value: unknown): { x: number; y: number }[] {
  const points: readonly unknown[] = Array.isArray(value) ? value : [];
  return points.filter(isObject).map(({ x, y }) => ({ x: numberIn(x), y: numberIn(y) }));
}

function numberIn(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? Math.round(value) : 0;
}
