import { join } from 'node:path';
import type { Agent } from '../agent.ts';

export const agent: Agent = {
  name: 'Gemini CLI',
  package: { registry: 'npm', name: '@google/gemini-cli', version: '0.61.0' },
  read: (file) => ({ name: 'read_file', arguments: { file_path: file } }),
  look: (file) => ({ name: 'read_file', arguments: { file_path: file } }),
  command({ installed, home }, { prompt, resume }) {
    const script = join(installed, 'node_modules', '@google', 'gemini-cli', 'bundle', 'gemini.js');
    // It asks the proxies for loopback too, and leaves reports of errors in the temporary folder.
    const env = { HTTP_PROXY: undefined, HTTPS_PROXY: undefined, GEMINI_CLI_NO_RELAUNCH: '1', TMPDIR: home };
    const options = ['--yolo', '--skip-trust', ...(resume ? ['--resume', 'latest'] : [])];
    return { file: process.execPath, args: [script, ...options, '-p', prompt], env };
  },
};
