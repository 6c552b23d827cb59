import { join } from 'node:path';
import type { Agent } from '../agent.ts';

export const agent: Agent = {
  name: 'Copilot CLI',
  package: { registry: 'npm', name: '@github/copilot', version: '1.0.102' },
  read: (file) => ({ name: 'view', arguments: { path: file } }),
  note: 'The picture is attached: its tool `view` sends none for a model that it does not know.',
  command({ installed }, { prompt, resume, image }) {
    const file = join(installed, 'node_modules', '@github', `copilot-${process.platform}-${process.arch}`, 'copilot');
    const attached = image === undefined ? [] : ['--attachment', image];
    const args = ['--allow-all', ...(resume ? ['--continue'] : []), ...attached, '-p', prompt];
    return { file, args, env: { COPILOT_AUTO_UPDATE: 'false' } };
  },
};
