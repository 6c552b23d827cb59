import type { LoadedConfig } from '../config/load.ts';
import type { Address } from '../config/schema.ts';
import { isLoopbackAddress } from '../http/page-check.ts';

type Loaded = Pick<LoadedConfig, 'config' | 'file' | 'upstreamsReplacedBy'>;

/** @returns warnings about a configuration: settings without effect, and protection that it gives up */
export function warnings({ config, file, upstreamsReplacedBy: replacedBy }: Loaded): string[] {
  const { access, listen, metrics, upstreams } = config;
  const open = access === 'open';
  return [
    ...(replacedBy === undefined ? [] : [`${replacedBy} replaces the \`upstreams\` of ${file}`]),
    ...(open ? [`access is open: ${whoReaches(listen)} can use the upstream`] : []),
    ...(metrics.listen !== undefined && (open || isOnNetwork(metrics.listen))
      ? [`metrics need no key: ${whoReaches(metrics.listen)} can read them`]
      : []),
    ...upstreams
      .filter(({ tls }) => tls?.rejectUnauthorized === false)
      .map(
        ({ name }) =>
          `insecure_skip_verify: the certificate of upstream ${name} is NOT VERIFIED: everyone on the way to it can read ` +
          'prompts, change responses and take its API key',
      ),
  ];
}

function isOnNetwork(address: Address): boolean {
  return !('path' in address) && !isLoopbackAddress(address);
}

function whoReaches(address: Address): string {
  if ('path' in address) return `every user who can open ${address.path}`;
  const text = `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
  return isLoopbackAddress(address)
    ? `every program on this machine that connects to ${text}`
    : `everyone who can reach ${text}`;
}
