import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Agent } from '../agent.ts';

export const agent: Agent = {
  name: 'Cline',
  package: { registry: 'npm', name: 'cline', version: '3.0.65' },
  read: (file) => ({ name: 'read_files', arguments: { files: [{ path: file }] } }),
  look: (file) => ({ name: 'read_files', arguments: { files: [{ path: file }] } }),
  cannot: { resume: 'Its CLI continues a session only in a terminal.' },
  prepare({ home }) {
    // It would wait for its telemetry at each end: nothing can be sent.
    const settings = join(home, '.cline/data/settings');
    mkdirSync(settings, { recursive: true });
    writeFileSync(join(settings, 'global-settings.json'), JSON.stringify({ telemetryOptOut: true }));
  },
  command({ installed }, { prompt }) {
    const file = join(installed, 'node_modules', '@cline', `cli-${process.platform}-${process.arch}`, 'bin', 'cline');
    return { file, args: [prompt], env: { CLINE_NO_AUTO_UPDATE: '1' } };
  },
};
