import type { ToolCall } from './model.ts';

/** The columns of the table: what each agent has to do through llamaduct. */
export const columns = ['text', 'tool round', 'parallel tools', 'image', 'long wait', 'overflow', 'resume'] as const;
export type Column = (typeof columns)[number];

export interface Package {
  readonly registry: 'npm' | 'pypi';
  readonly name: string;
  readonly version: string;
}

/** One run of an agent: a prompt that it answers without asking its user anything. */
export interface Task {
  readonly prompt: string;
  /** True if it continues the last session. */
  readonly resume: boolean;
  /** Picture that the prompt is about, for an agent that is given pictures by a flag. */
  readonly image: string | undefined;
  /** True if the agent should lose patience after some 15 s of silence, where it has a setting for it. */
  readonly impatient: boolean;
}

/** Folders of a run. */
export interface Place {
  /** Where the agent's package is installed. */
  readonly installed: string;
  readonly home: string;
  /** The project that the agent works in. */
  readonly work: string;
}

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  /** What the recipe does not set: isolation from the network, and the impatience of a task. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface Agent {
  /** Heading of its recipe in docs/agents.md, and its name in the table. */
  readonly name: string;
  readonly package: Package;
  /** The call of its own tool that reads a file. Absent: it has no tools. */
  readonly read?: (file: string) => ToolCall;
  /** The call of its own tool that looks at a picture. Absent: the task has the picture. */
  readonly look?: (file: string) => ToolCall;
  /** Why it cannot do what a column is about. */
  readonly cannot?: Readonly<Partial<Record<Column, string>>>;
  /** What a reader of its row should know. */
  readonly note?: string;
  command(place: Place, task: Task): Command;
  /** Writes what only the test needs, such as a setting for isolation. Called before each run. */
  prepare?(place: Place, task: Task): void;
}
