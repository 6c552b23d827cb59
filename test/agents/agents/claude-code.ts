import { join } from 'node:path';
import type { Agent } from '../agent.ts';

export const agent: Agent = {
  name: 'Claude Code',
  package: { registry: 'npm', name: '@anthropic-ai/claude-code', version: '2.1.332' },
  read: (file) => ({ name: 'Read', arguments: { file_path: file } }),
  look: (file) => ({ name: 'Read', arguments: { file_path: file } }),
  command({ installed }, { prompt, resume, impatient }) {
    const file = join(
      installed,
      'node_modules',
      '@anthropic-ai',
      `claude-code-${process.platform}-${process.arch}`,
      'claude',
    );
    const env = impatient ? { CLAUDE_STREAM_FIRST_BYTE_TIMEOUT_MS: '15000' } : {};
    return { file, args: ['-p', prompt, '--allowedTools', 'Read', ...(resume ? ['--continue'] : [])], env };
  },
};
