import { parseArgs } from 'node:util';
import { checks } from './checks.ts';
import { type Row, toMarkdown } from './report.ts';
import { attempt } from './run.ts';
import { openLlamaduct, openOllama } from './target.ts';

const usage = `npm run compare -- --ollama URL [--json]

Runs the same checks against a real Ollama's own /v1 and against llamaduct in front of the same Ollama, and prints a
Markdown table, or JSON. The Ollama must have the scripted models; a few more are created on it and deleted again.
Exits with 0 if llamaduct passes all checks.
`;

const { values } = parseArgs({ options: { ollama: { type: 'string' }, json: { type: 'boolean', default: false } } });
if (values.ollama === undefined) {
  process.stderr.write(usage);
  process.exitCode = 2;
} else {
  process.exitCode = await compare(values.ollama.replace(/\/+$/, ''), values.json);
}

/** @returns the exit code: 0 if llamaduct passes all checks */
async function compare(ollama: string, json: boolean): Promise<number> {
  const server = await describeServer(ollama);
  if (server === undefined) {
    process.stderr.write(`No Ollama at ${ollama}.\n`);
    return 2;
  }
  const rows: Row[] = [];
  for (const check of checks) {
    const { number, title, beyond } = check;
    process.stderr.write(`${number} ${title}\n`);
    rows.push({
      number,
      title,
      ...(beyond && { beyond }),
      ollama: await attempt(check, openOllama, ollama, server.models),
      llamaduct: await attempt(check, openLlamaduct, ollama, server.models),
    });
  }
  const { version } = server;
  process.stdout.write(json ? `${JSON.stringify({ version, rows }, undefined, 2)}\n` : toMarkdown(rows, version));
  return rows.every(({ llamaduct }) => llamaduct.result === 'passed') ? 0 : 1;
}

async function describeServer(ollama: string): Promise<{ version: string; models: ReadonlySet<string> } | undefined> {
  try {
    const { version } = await get<{ version: string }>(`${ollama}/api/version`);
    const { models } = await get<{ models: readonly { name: string }[] }>(`${ollama}/api/tags`);
    return { version, models: new Set(models.map(({ name }) => name)) };
  } catch {
    return undefined;
  }
}

async function get<T>(url: string): Promise<T> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  return (await response.json()) as T;
}
