import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import type { UsageRow } from '../../src/usage/ledger.ts';

/** In the middle of an hour and of a day. */
export const noon = Date.parse('2026-11-10T12:20:00Z');

export const hour = 3_600_000;
export const day = 24 * hour;

export function row(values: Partial<UsageRow> = {}): UsageRow {
  return {
    time: noon,
    id: 'req_1',
    key: 'alice',
    model: 'llama3',
    route: '/v1/chat/completions',
    upstream: 'ollama',
    outcome: 'ok',
    status: 200,
    input_tokens: 10,
    output_tokens: 5,
    duration_ms: 1000,
    queue_ms: 100,
    ...values,
  };
}

/** A folder that is removed after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'llamaduct-usage-'));
  after(() => rmSync(folder, { recursive: true }));
  return folder;
}
