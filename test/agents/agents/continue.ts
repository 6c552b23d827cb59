import { join } from 'node:path';
import type { Agent } from '../agent.ts';

export const agent: Agent = {
  name: 'Continue',
  package: { registry: 'npm', name: '@continuedev/cli', version: '1.5.47' },
  read: (file) => ({ name: 'Read', arguments: { filepath: file } }),
  cannot: { image: 'Its CLI attaches no pictures, and its tools return text.' },
  command({ installed, home }, { prompt, resume }) {
    const script = join(installed, 'node_modules', '@continuedev', 'cli', 'dist', 'cn.js');
    const args = [
      script,
      '--config',
      join(home, '.continue/config.yaml'),
      '--auto',
      ...(resume ? ['--resume'] : []),
      '-p',
      prompt,
    ];
    return { file: process.execPath, args, env: { CONTINUE_METRICS_ENABLED: '0', CONTINUE_CLI_AUTO_UPDATED: '1' } };
  },
};
