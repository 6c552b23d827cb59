/**
 * Distinguishes our files from other SQLite databases.
 *
 * @see https://www.sqlite.org/pragma.html#pragma_application_id
 */
export const applicationId = 0x6c6c_6475;

/**
 * `user_version` of the file. A change of the tables takes the next number and must upgrade older files, for which
 * there is no code yet: `prepare` in database.ts only creates the tables of an empty file.
 */
export const formatVersion = 1;

/** Milliseconds. Sums are per hour; sums of days, weeks and months are computed from them. */
export const hour = 3_600_000;

/**
 * One row per request, and their sums. Reports and budgets read only the sums: their cost grows with hours, keys and
 * models instead of requests, and sums outlive rows whose retention is less than a month. A trigger updates the sums in
 * the same transaction as the row, so that no crash can separate them.
 */
export const tables = `
  CREATE TABLE requests (
    time INTEGER NOT NULL,
    id TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "group" TEXT,
    model TEXT NOT NULL,
    route TEXT NOT NULL,
    upstream TEXT,
    outcome TEXT NOT NULL,
    status INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    queue_ms INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE sums (
    "key" TEXT NOT NULL,
    hour INTEGER NOT NULL,
    "group" TEXT NOT NULL,
    model TEXT NOT NULL,
    outcome TEXT NOT NULL,
    requests INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    queue_ms INTEGER NOT NULL,
    max_queue_ms INTEGER NOT NULL,
    PRIMARY KEY ("key", hour, "group", model, outcome)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX sums_hour ON sums (hour);
  CREATE INDEX sums_group ON sums ("group", hour);

  CREATE TRIGGER add_up AFTER INSERT ON requests BEGIN
    INSERT INTO sums VALUES (
      NEW."key", NEW.time - NEW.time % ${hour}, ifnull(NEW."group", ''), NEW.model, NEW.outcome,
      1, NEW.input_tokens, NEW.output_tokens, NEW.duration_ms, NEW.queue_ms, NEW.queue_ms
    )
    ON CONFLICT DO UPDATE SET
      requests = requests + 1,
      input_tokens = input_tokens + excluded.input_tokens,
      output_tokens = output_tokens + excluded.output_tokens,
      duration_ms = duration_ms + excluded.duration_ms,
      queue_ms = queue_ms + excluded.queue_ms,
      max_queue_ms = max(max_queue_ms, excluded.max_queue_ms);
  END;
`;

/** Added to in-memory databases, whose rows nothing can read: deletes each row once it is in the sums. */
export const sumsOnly = `
  CREATE TRIGGER forget AFTER INSERT ON requests BEGIN
    DELETE FROM requests WHERE rowid = NEW.rowid;
  END;
`;
