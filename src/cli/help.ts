import { version } from '../version.ts';

const help = `llamaduct: a gateway for a shared Ollama server with API keys, limits, a fair queue, usage and metrics

  llamaduct [serve] [flags]     start the gateway; it runs until SIGTERM or Ctrl-C
    --config FILE               configuration file in YAML        LLAMADUCT_CONFIG
    --upstream URL              address of the Ollama server      LLAMADUCT_UPSTREAM
    --listen HOST:PORT          address to listen on, or unix:/PATH; port 0: any free one    LLAMADUCT_LISTEN
    --once TEXT                 send one chat request through the gateway, print the response and exit
  llamaduct keys new            create a key and print it (shown only once)
    --name NAME                 name of the user or program that uses the key
    --scopes A,B                any of inference (default), admin, metrics
    --models 'A*,B'             models the key may use; default: those of its group, or all
    --group NAME                one of the groups in the configuration file
    --expires DATE              first day on which the key is rejected, such as 2027-01-31; default: never
    --config FILE               file to add the key to; without it, prints the lines to paste    LLAMADUCT_CONFIG
  llamaduct keys list           list the keys in the configuration file and their limits
    --config FILE               configuration file                LLAMADUCT_CONFIG
  llamaduct keys revoke NAME    remove a key from the configuration file
    --config FILE               configuration file                LLAMADUCT_CONFIG
  llamaduct keys rotate NAME    replace a key and print the new one (shown only once)
    --config FILE               configuration file                LLAMADUCT_CONFIG
    --keep 24h                  how long the previous key stays valid; default: not at all
  llamaduct usage               print a usage report from the database in usage.file
    --by key                    group by key (default), model, group, day or outcome
    --since 30d                 start of the report: how long ago (default 30d), or a date
    --json                      print JSON
    --config FILE               configuration file                LLAMADUCT_CONFIG
  llamaduct check FILE          check a configuration file; prints every error with line and column
  llamaduct --help | --version

Flags override environment variables, which override the configuration file. More environment variables:
  LLAMADUCT_KEY                 a ready-made key with every scope
  LLAMADUCT_METRICS_TOKEN       a bearer token that can only read /metrics
  OLLAMA_HOST                   address of the Ollama server if none is configured; default 127.0.0.1:11434
  OLLAMA_NUM_PARALLEL           requests that Ollama processes at a time; all others wait in the queue

Without a configuration file and --upstream, a built-in demo model answers if no Ollama is running.
`;

/** Prints the usage of every command. */
export function printHelp(): void {
  process.stdout.write(help);
}

/** Prints the version number. */
export function printVersion(): void {
  process.stdout.write(`${version}\n`);
}
