/** The faults of certificates, by the code of the error. The error's own text may contain the address. */
const certificateFaults: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'has expired',
  CERT_NOT_YET_VALID: 'is not valid yet',
  CERT_REVOKED: 'has been revoked',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'is self-signed',
  ERR_TLS_CERT_ALTNAME_INVALID: 'is for another host name',
  HOSTNAME_MISMATCH: 'is for another host name',
  SELF_SIGNED_CERT_IN_CHAIN: 'was issued by an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT: 'was issued by an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'was issued by an unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'was issued by an unknown authority, or an intermediate certificate is missing',
};

/** Other codes of OpenSSL's verification, and of Node for TLS. */
const otherCertificateFault = /CERT|CRL|^INVALID_(CA|PURPOSE)$|^PATH_LENGTH_EXCEEDED$|^UNSPECIFIED$/;

/**
 * Describes a failure of TLS for clients and operators.
 *
 * @returns undefined for any other error
 * @see https://nodejs.org/api/tls.html#x509-certificate-error-codes
 */
export function tlsFault(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  if (code === undefined) return undefined;
  const fault = certificateFaults[code];
  if (fault !== undefined) return `The certificate of the upstream ${fault} (${code}).`;
  if (code.startsWith('ERR_SSL_') || code === 'EPROTO') return `The TLS handshake with the upstream failed (${code}).`;
  if (otherCertificateFault.test(code)) return `The certificate of the upstream is not accepted (${code}).`;
  return undefined;
}
