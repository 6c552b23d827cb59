import type { ToolNames } from './tool-names.ts';

/** A call that a model wrote as text. */
export interface TextCall {
  readonly name: string;
  /** The text of its arguments: the JSON of an object, once it is read. */
  readonly arguments: string;
}

/** Settings for reading calls from a text. */
export interface TextCallOptions {
  readonly names: ToolNames;
  /** Characters that are held back at most: a longer text is no call. */
  readonly maxHeld: number;
  /** Makes the id of a call. */
  readonly newId: () => string;
  /** True if an answer without a call is an error. */
  readonly isForced?: boolean;
  /** Called for each call. */
  readonly onCall?: () => void;
}
