/**
 * True for an address of a domain or of one of its subdomains.
 *
 * @param domain such as `example.com`, `*.example.com` or, with the beginning of a path, `example.com/blog`
 * @see https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool (domain filtering)
 */
export function isFromDomain(address: string, domain: string): boolean {
  const url = URL.parse(address);
  if (url === null) return false;
  const [host = '', ...path] = domain
    .toLowerCase()
    .replace(/^https?:\/\//, '')
    .replace(/^\*\./, '')
    .split('/');
  if (host === '' || !(url.hostname === host || url.hostname.endsWith(`.${host}`))) return false;
  const start = path.join('/').replace(/[*/]+$/, '');
  return start === '' || isBelow(url.pathname.toLowerCase(), `/${start}`);
}

function isBelow(path: string, start: string): boolean {
  return path === start || path.startsWith(`${start}/`);
}
