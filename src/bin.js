#!/usr/bin/env node
// Plain JavaScript that Node.js 12 can parse, so that old versions print this message instead of a syntax error.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

// Otherwise Node.js opens its inspector, which runs whatever any local user sends it.
process.on('SIGUSR1', () => undefined);
// Scripts that rotate logs send it to every service; without a listener it ends the process.
process.on('SIGUSR2', () => undefined);

if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(
    `llamaduct needs Node.js 22.19 or newer; this is ${process.versions.node}. ` +
      '`npm start` in a checkout and `npx llamaduct` install a suitable one.\n',
  );
  process.exitCode = 1;
} else {
  void import('./main.ts').then(({ main }) => main(process.argv.slice(2)));
}
