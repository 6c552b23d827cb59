import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Agent } from '../agent.ts';

export const agent: Agent = {
  name: 'Qwen Code',
  package: { registry: 'npm', name: '@qwen-code/qwen-code', version: '0.15.10' },
  read: (file) => ({ name: 'read_file', arguments: { file_path: file } }),
  look: (file) => ({ name: 'read_file', arguments: { file_path: file } }),
  prepare({ work }, { impatient }) {
    if (!impatient) return;
    // The settings of the project are merged with the user's.
    mkdirSync(join(work, '.qwen'), { recursive: true });
    writeFileSync(
      join(work, '.qwen/settings.json'),
      JSON.stringify({ model: { generationConfig: { timeout: 15_000 } } }),
    );
  },
  command({ installed }, { prompt, resume }) {
    const script = join(installed, 'node_modules', '@qwen-code', 'qwen-code', 'cli.js');
    // It asks the proxies for loopback too.
    const env = { HTTP_PROXY: undefined, HTTPS_PROXY: undefined };
    return { file: process.execPath, args: [script, '--yolo', ...(resume ? ['--continue'] : []), '-p', prompt], env };
  },
};
