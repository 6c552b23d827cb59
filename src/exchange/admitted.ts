/** A request that counts among those under way. */
export interface Admitted {
  /** The name of its key; for requests without one, the address that they come from. */
  readonly owner: string;
  /** Bytes that it holds. */
  readonly bytes: number;
  /**
   * Counts memory that the request needs until it ends.
   *
   * @throws {GatewayError} 503 when all requests, or those of the same key, would need too much
   */
  hold(bytes: number): void;
  /** Called once, when the exchange ends. */
  leave(): void;
}
