/**
 * The checkers of a run by the events that they watch: most events concern few of them.
 */
import type { Checker } from "./checker.ts";

type Hook = Exclude<keyof Checker, "name">;
type Watching<H extends Hook> = Checker & Required<Pick<Checker, H>>;

/** For each kind of event, the checkers that watch it, in the order in which they were added. */
export class CheckersByHook implements Record<Hook, readonly Checker[]> {
  readonly processBegan: Watching<"processBegan">[] = [];
  readonly processDied: Watching<"processDied">[] = [];
  readonly creates: Watching<"creates">[] = [];
  readonly began: Watching<"began">[] = [];
  readonly schedules: Watching<"schedules">[] = [];
  readonly reminds: Watching<"reminds">[] = [];
  readonly handles: Watching<"handles">[] = [];
  readonly answers: Watching<"answers">[] = [];
  readonly logged: Watching<"logged">[] = [];
  readonly askLate: Watching<"askLate">[] = [];
  readonly handledLate: Watching<"handledLate">[] = [];
  readonly durable: Watching<"durable">[] = [];
  readonly trimmed: Watching<"trimmed">[] = [];
  readonly startFailed: Watching<"startFailed">[] = [];
  readonly hostRemoved: Watching<"hostRemoved">[] = [];
  readonly tailLost: Watching<"tailLost">[] = [];
  readonly trimLost: Watching<"trimLost">[] = [];
  readonly examplesGivenUp: Watching<"examplesGivenUp">[] = [];
  readonly redisLost: Watching<"redisLost">[] = [];
  readonly placed: Watching<"placed">[] = [];
  readonly drains: Watching<"drains">[] = [];
  readonly commandBegan: Watching<"commandBegan">[] = [];
  readonly commandTaken: Watching<"commandTaken">[] = [];
  readonly blobStored: Watching<"blobStored">[] = [];
  readonly blobDeleted: Watching<"blobDeleted">[] = [];
  readonly replied: Watching<"replied">[] = [];
  readonly hungUp: Watching<"hungUp">[] = [];
  readonly fault: Watching<"fault">[] = [];
  readonly actorGone: Watching<"actorGone">[] = [];
  readonly atEnd: Watching<"atEnd">[] = [];

  add(checker: Checker): void {
    for (const [hook, watching] of Object.entries(this) as [Hook, Checker[]][]) {
      if (checker[hook] !== undefined) watching.push(checker);
    }
  }
}
