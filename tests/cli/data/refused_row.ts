/** A row that a trainer put aside, as `cairn data quarantine` shows it. */
export const refusedRow = {
  row: 37,
  refusedAtMs: Date.UTC(2026, 0, 1),
  reason: "the loss is not finite",
  atMs: 0,
  labels: ["1e+30"],
  dense: [],
  logSampleRate: "0",
  ids: ["281474976710657"],
};
