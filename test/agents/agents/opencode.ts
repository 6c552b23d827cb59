import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Agent } from '../agent.ts';

const names = ['', '-baseline'].map((kind) => `opencode-${process.platform}-${process.arch}${kind}`);

export const agent: Agent = {
  name: 'opencode',
  package: { registry: 'npm', name: 'opencode-ai', version: '1.18.33' },
  read: (file) => ({ name: 'read', arguments: { filePath: file } }),
  look: (file) => ({ name: 'read', arguments: { filePath: file } }),
  command({ installed }, { prompt, resume, impatient }) {
    const binaries = names.map((name) => join(installed, 'node_modules', name, 'bin', 'opencode'));
    const patience = { provider: { llamaduct: { options: { chunkTimeout: 15_000, headerTimeout: 15_000 } } } };
    const env = {
      OPENCODE_DISABLE_AUTOUPDATE: '1',
      OPENCODE_DISABLE_DEFAULT_PLUGINS: '1',
      OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
      OPENCODE_DISABLE_MODELS_FETCH: '1',
      ...(impatient && { OPENCODE_CONFIG_CONTENT: JSON.stringify(patience) }),
    };
    return {
      file: binaries.find(existsSync) ?? 'opencode',
      args: ['run', ...(resume ? ['--continue'] : []), prompt],
      env,
    };
  },
};
