import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Recording } from '../helpers/recordings.ts';
import type { Dialect } from './replay.ts';

/** @returns the file of a recording's translated stream */
export function goldenStreamFile(dialect: Dialect, recording: Recording): string {
  return fileOf(dialect, recording, dialect.protocol.contentType.startsWith('text/event-stream') ? 'sse' : 'ndjson');
}

/** @returns the file of a recording's translation that is not streamed: its status, and its body on the next lines */
export function goldenBodyFile(dialect: Dialect, recording: Recording): string {
  return fileOf(dialect, recording, 'json');
}

/** @returns a recording's translated stream */
export function goldenText(dialect: Dialect, recording: Recording): string {
  return readFileSync(goldenStreamFile(dialect, recording), 'utf8');
}

function fileOf(dialect: Dialect, recording: Recording, extension: string): string {
  return join(import.meta.dirname, '../golden', dialect.name, `${recording.name}.${extension}`);
}
