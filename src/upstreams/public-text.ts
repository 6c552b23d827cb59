const maxLength = 500;
/** Characters of the first line, if the text has more lines than are shown. */
const maxFirstLine = 160;

/** Lines of a stack trace, and of source code around a fault. */
const traceLine =
  /^(at .+[(:]|File "|Traceback|goroutine \d|#\d+ |created by |[.…]{3}|\{[{%]|[a-z_./]+\.(go|py|cpp|cu):\d)/;

/**
 * An upstream's error message, fit for clients: on one line, without addresses, file paths and stack traces, at most 500
 * characters. The cause of a failure is often on the last line, so the middle of a long message is left out.
 */
export function publicText(text: string): string {
  const lines = linesOf(text);
  const [first = ''] = lines;
  const shown = hidden(lines.join(' '));
  if (shown.length <= maxLength) return shown;
  if (lines.length === 1) return shown.slice(0, maxLength);
  const beginning = hidden(first).slice(0, maxFirstLine);
  return `${beginning} … ${shown.slice(beginning.length + 3 - maxLength)}`;
}

/** Bounded before and after: the replacements take more than linear time, and an upstream may send a very long text. */
function linesOf(text: string): string[] {
  const trimmed = text.trim();
  const bounded =
    trimmed.length <= 4 * maxLength ? trimmed : `${trimmed.slice(0, 2 * maxLength)}\n${trimmed.slice(-2 * maxLength)}`;
  const [first = '', ...others] = bounded.split('\n').map((line) => line.trim());
  return [first, ...others.filter((line) => /\w/.test(line) && !traceLine.test(line))];
}

/** Removes addresses and file paths. */
function hidden(text: string): string {
  return text
    .replace(/\b[a-z]+:\/\/[^\s"'<>]+/gi, '[address]')
    .replace(/(\[[0-9a-f:]+\]|\b[\w.-]+):\d{4,5}\b/gi, '[address]')
    .replace(/\b\d{1,3}(\.\d{1,3}){3}\b/g, '[address]')
    .replace(
      /\b[\w-]{1,63}(\.[\w-]{1,63}){0,4}\.(lan|local|internal|localdomain|intranet|corp|home|svc)\b/gi,
      '[address]',
    )
    .replace(/(^|[\s'"`(=:,[<~])\/[\w.@/-]+/g, '$1[path]')
    .replace(/\b[a-z]:\\[^\s"']+/gi, '[path]');
}

/** Names of networks that are not public. */
const privateName =
  /^(localhost|[^.]+)$|\.(lan|local|internal|localdomain|intranet|corp|home|svc|arpa|test)$|^[\d.]+$|:/i;

const link = /\bhttps:\/\/[^\s"'<>()]*[^\s"'<>().,;:!?\]}]/g;

/** True for the address of a public web page: without a port and a user, and not in a private network. */
export function isPublicLink(address: string): boolean {
  const url = URL.parse(address);
  if (url === null || url.protocol !== 'https:') return false;
  return url.port === '' && url.username === '' && !privateName.test(url.hostname);
}

/**
 * The message of an error about the account of a model server, which is for the user: as `publicText`, but with the links to
 * public web pages where the user can solve it.
 */
export function accountText(text: string): string {
  const links: string[] = [];
  const marked = text.slice(0, 4 * maxLength).replace(link, (address) => {
    return isPublicLink(address) ? `\uE000${links.push(address) - 1}\uE000` : address;
  });
  return publicText(marked).replace(/\uE000(\d+)\uE000/g, (_, index: string) => links[Number(index)] ?? '');
}

/** @returns the addresses of public web pages in a text */
export function publicLinks(text: string): string[] {
  return (text.slice(0, 4 * maxLength).match(link) ?? []).filter(isPublicLink);
}
