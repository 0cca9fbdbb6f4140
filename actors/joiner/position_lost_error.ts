/**
 * The example log has examples of events that the event log does not have: it was damaged, deleted
 * or replaced by an older copy, and new events would be taken for joined ones.
 */
export class PositionLostError extends Error {
  override readonly name = "PositionLostError";
  constructor(partition: number, eventOffset: number, endOffset: number) {
    super(
      `Cannot resume joining: the example log has the examples of events before offset ` +
        `${eventOffset}, and the event log (events/${partition}) ends at offset ${endOffset}. ` +
        `Restore both logs from one copy. To keep the model and give up what the logs held, ` +
        `delete events/ and examples/ and restore a snapshot with --examples skip.`,
    );
  }
}
