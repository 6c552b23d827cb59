/** Upper bounds. An absent limit is unlimited. */
export interface LimitSet {
  readonly requestsPerMinute?: number;
  /** Prompt and answer tokens together, as in every token limit below except `maxTokens`. */
  readonly tokensPerMinute?: number;
  /** Requests that run at the same time. */
  readonly concurrent?: number;
  /** Tokens of one answer. */
  readonly maxTokens?: number;
  /** Days and months are UTC's. */
  readonly tokensPerDay?: number;
  readonly tokensPerMonth?: number;
}

/** A key, or a group whose keys share the limits. */
export interface LimitSubject {
  /** `key:alice` or `group:lab` */
  readonly id: string;
  /** Label in metrics: a name that the operator gave. */
  readonly label: string;
  readonly limits: LimitSet;
}
