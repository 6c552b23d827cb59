/** Marks the file as ours, among all that SQLite opens. @see https://www.sqlite.org/pragma.html#pragma_application_id */
export const applicationId = 0x6c6c_6475;

/** `user_version` of the file. A change of the tables takes the next number and a step in `migrate`. */
export const formatVersion = 1;

/** Milliseconds. Sums are kept by the hour: those of days, weeks and months add up from them. */
export const hour = 3_600_000;

/**
 * A row a request, and what they add up to. Reports and budgets read the sums only: their cost grows with hours, keys and
 * models, not with requests, and they outlive the rows where those are kept for less than a month.
 * The trigger makes both one write: no crash parts them.
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

/** Beside the tables where nothing can read rows: they are gone once they are added up. */
export const sumsOnly = `
  CREATE TRIGGER forget AFTER INSERT ON requests BEGIN
    DELETE FROM requests WHERE rowid = NEW.rowid;
  END;
`;
