import { version } from '../version.ts';

const help = `llamaduct: an OpenAI-compatible, authenticated and measured reverse proxy for Ollama

  llamaduct [serve] [flags]     serve until SIGTERM or Ctrl-C
    --config FILE               YAML configuration              LLAMADUCT_CONFIG
    --upstream URL              where Ollama listens            LLAMADUCT_UPSTREAM
    --listen HOST:PORT          where to serve; port 0: any     LLAMADUCT_LISTEN
    --once TEXT                 send one chat through itself, print the answer and exit
  llamaduct keys new            make a key: prints the secret once
    --name NAME                 who holds it
    --scopes A,B                inference (default), admin, metrics
    --models 'A*,B'             the models it may use; without: those of its group, or all
    --group NAME                one of the groups of the configuration
    --expires DATE              from when it is refused, such as 2027-01-31; without: never
    --config FILE               the file that gets it; without: prints the lines    LLAMADUCT_CONFIG
  llamaduct keys list           the keys of the configuration, and their limits
    --config FILE               YAML configuration              LLAMADUCT_CONFIG
  llamaduct keys revoke NAME    take a key out of the configuration
    --config FILE               YAML configuration              LLAMADUCT_CONFIG
  llamaduct keys rotate NAME    give a key a new secret: prints it once
    --config FILE               YAML configuration              LLAMADUCT_CONFIG
    --keep 24h                  for how long the secret before stays valid; without: not at all
  llamaduct usage               who used how much, from the file that usage.file names
    --by key                    or model, group, day, outcome
    --since 30d                 a time ago, or a date
    --json                      for machines
    --config FILE               YAML configuration              LLAMADUCT_CONFIG
  llamaduct check FILE          every fault of a configuration, with line and column
  llamaduct --help | --version

Flags win over the environment, the environment wins over the file. Also in the environment:
  LLAMADUCT_KEY                 a ready-made secret that opens everything
  LLAMADUCT_METRICS_TOKEN       a bearer token that opens /metrics only
  OLLAMA_HOST                   where Ollama listens, unless told above; default 127.0.0.1:11434

With no file and no upstream told, and where no Ollama answers, a built-in demo model does.
`;

export function printHelp(): void {
  process.stdout.write(help);
}

export function printVersion(): void {
  process.stdout.write(`${version}\n`);
}
