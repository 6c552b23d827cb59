/** Bounds on what somebody may use; what is absent is without bound. */
export interface LimitSet {
  readonly requestsPerMinute?: number;
  /** Of prompts and answers together, as all that follow. */
  readonly tokensPerMinute?: number;
  /** Requests at a time. */
  readonly concurrent?: number;
  /** Tokens of one answer. */
  readonly maxTokens?: number;
  /** Days and months are those of UTC. */
  readonly tokensPerDay?: number;
  readonly tokensPerMonth?: number;
}

/** Whom limits hold for: a key, or all keys of a group together. */
export interface LimitSubject {
  /** `key:alice` or `group:lab` */
  readonly id: string;
  /** As the metrics show it: a name that the operator gave. */
  readonly label: string;
  readonly limits: LimitSet;
}
