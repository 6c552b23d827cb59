import { join } from 'node:path';
import type { Agent } from '../agent.ts';

const noTools = 'It offers no tools: the model edits by text.';
const quiet = [
  '--yes-always',
  '--no-git',
  '--no-check-update',
  '--no-analytics',
  '--no-show-release-notes',
  '--no-pretty',
];

export const agent: Agent = {
  name: 'aider',
  package: { registry: 'pypi', name: 'aider-chat', version: '0.86.2' },
  cannot: { 'tool round': noTools, 'parallel tools': noTools },
  command({ installed }, { prompt, resume, image, impatient }) {
    const pictures = image === undefined ? [] : ['--file', image];
    const history = resume ? ['--restore-chat-history'] : [];
    const patience = impatient ? ['--timeout', '15'] : [];
    const args = [...quiet, ...pictures, ...history, ...patience, '--message', prompt];
    // Its library would fetch a list of prices.
    return { file: join(installed, 'bin', 'aider'), args, env: { LITELLM_LOCAL_MODEL_COST_MAP: 'True' } };
  },
};
