import { join } from 'node:path';
import type { Agent } from '../agent.ts';

export const agent: Agent = {
  name: 'Codex',
  package: { registry: 'npm', name: '@openai/codex', version: '0.171.0' },
  read: (file) => ({ name: 'exec_command', arguments: { cmd: `cat ${file}` } }),
  look: (file) => ({ name: 'view_image', arguments: { path: file } }),
  command({ installed }, { prompt, resume, impatient }) {
    const patience = impatient ? ['-c', 'model_providers.llamaduct.stream_idle_timeout_ms=15000'] : [];
    // The sandbox needs namespaces that containers may not have.
    const options = ['--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox', ...patience];
    const task = resume ? ['resume', '--last', prompt] : [prompt];
    return { file: join(installed, 'node_modules', '.bin', 'codex'), args: ['exec', ...options, ...task] };
  },
};
