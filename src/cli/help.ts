import { version } from '../version.ts';

const help = `llamaduct: an OpenAI-compatible, authenticated and measured reverse proxy for Ollama

  llamaduct [serve] [flags]     serve until SIGTERM or Ctrl-C
    --config FILE               YAML configuration              LLAMADUCT_CONFIG
    --upstream URL              where Ollama listens            LLAMADUCT_UPSTREAM
    --listen HOST:PORT          where to serve; port 0: any     LLAMADUCT_LISTEN
    --once TEXT                 send one chat through itself, print the answer and exit
  llamaduct keys new            make a key: prints the secret once, and the lines for the file
    --name NAME                 who holds it
    --scopes A,B                inference (default), admin, metrics
    --models 'A*,B'             the models it may use; without: all
    --expires DATE              from when it is refused, such as 2027-01-31; without: never
  llamaduct keys list           the keys of the configuration
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
