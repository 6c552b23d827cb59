/** The causes in plain words. */
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the server closed the connection',
  CONNECTION_CLOSED: 'the server closed the connection',
  EHOSTUNREACH: 'no route to the server',
  ENETUNREACH: 'no route to the server',
  ENOTFOUND: 'the host name does not exist',
  EAI_AGAIN: 'the host name cannot be looked up at the moment',
  ENOENT: 'the socket does not exist',
  EACCES: 'no permission to open the socket',
  ETIMEDOUT: 'the server does not respond',
  BUSY: 'the server is running a script',
  CLUSTERDOWN: 'the cluster is down',
  DENIED: 'the server is in protected mode: it accepts only local connections, because it has no password',
  LOADING: 'the server is loading its data',
  MASTERDOWN: 'the server is a replica whose primary is down',
  MAXCLIENTS: 'the server has too many clients',
  MISCONF: 'the server cannot save its data, and so refuses writes',
  MOVED: 'the server is part of a cluster; llamaduct needs a single primary',
  NOAUTH: 'the server requires a password',
  NOPERM: 'the user lacks a permission',
  NOREPLICAS: 'the server has too few replicas, and so refuses writes',
  OOM: 'the server is out of memory',
  READONLY: 'the server is a read-only replica',
  WRONGPASS: 'wrong user name or password',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the server does not speak TLS',
  DEPTH_ZERO_SELF_SIGNED_CERT: "the server's certificate is not trusted",
  SELF_SIGNED_CERT_IN_CHAIN: "the server's certificate is not trusted",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the server's certificate is not trusted",
  CERT_HAS_EXPIRED: "the server's certificate has expired",
  ERR_TLS_CERT_ALTNAME_INVALID: "the server's certificate is for another name",
};

/** Replies that begin with ERR, as if they were of no kind. */
const unnamed: readonly (readonly [text: RegExp, cause: string])[] = [
  [/max number of clients/i, 'MAXCLIENTS'],
  [/invalid password/i, 'WRONGPASS'],
  [/user executing the script/i, 'NOPERM'],
  [/timed out|socket timeout/i, 'ETIMEDOUT'],
];

/** @returns the cause in plain words */
export function reasonOf(cause: string): string {
  return reasons[cause] ?? 'unexpected error';
}

/** @returns a code such as ECONNREFUSED, or the word with which the server's reply begins, such as OOM */
export function causeOf(error: unknown): string {
  if (error instanceof AggregateError) return causeOf(error.errors[0]);
  if (!(error instanceof Error)) return 'UNKNOWN';
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code === 'string') return code;
  if (isConsequence(error)) return 'CONNECTION_CLOSED';
  const [, matched] = unnamed.find(([text]) => text.test(error.message)) ?? [];
  if (matched !== undefined) return matched;
  // Before version 7, the error of a command in a script is inside an ERR.
  const words = error.message.match(/\b[A-Z]{3,}\b/g) ?? [];
  return words.find((word) => word in reasons) ?? words[0] ?? 'UNKNOWN';
}

/** True for the error of a command that was not sent or not answered because the connection is down: it does not say why. */
export function isConsequence(error: unknown): boolean {
  return (
    error instanceof Error &&
    /isn't writeable|connection is closed|connection close$|max retries per request/i.test(error.message)
  );
}
