/** The keys of one log, as log_scripts.ts describes them, for one writer. */
export interface LogKeys {
  readonly log: string;
  readonly offsets: string;
  readonly writer: string;
  readonly urgent: string;
  streamOf(partition: number): string;
}

/** @param log Key of the log. */
export function logKeys(log: string, writer: string): LogKeys {
  return {
    log,
    offsets: `${log}:offsets`,
    writer: `${log}:writer:${writer}`,
    urgent: `${log}:urgent`,
    streamOf: (partition) => `${log}:${partition}`,
  };
}
