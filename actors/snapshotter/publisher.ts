/**
 * The store that decides whether a snapshot counts, where the logs are on a server: a snapshot that
 * was begun before an owner, or the only process, was lost must not become the newest one.
 */
export interface SnapshotPublisher {
  /**
   * Notes the owners before any part of a snapshot is written.
   *
   * @param tenure The snapshotter's; see {@link SnapshotterOptions.tenure}.
   * @throws {Error} The store does not answer, or has given the snapshotter's place to another one.
   */
  begin(tenure: number | undefined): Promise<SnapshotPublication>;
}

/** The right of one snapshot to become the newest. */
export interface SnapshotPublication {
  /**
   * Makes the snapshot the newest one. Its manifest is written afterwards.
   *
   * @throws {StaleManifestError} An owner was lost since it was begun.
   * @throws {RecordStoreUnavailableError} The store does not answer.
   */
  publish(name: string): Promise<void>;
  /**
   * Notes, after the manifest is written, the oldest snapshot from which a part may begin from now
   * on. False where an owner was lost since the snapshot was begun, or the store does not answer:
   * that owner may be restored from an older snapshot, which must stay.
   */
  recordOldest(oldest: string): Promise<boolean>;
}
