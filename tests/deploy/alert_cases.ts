/**
 * Series that an operator's Prometheus would hold, one sample a minute, and how each alert's case
 * differs from a server that works.
 *
 * @see https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/
 */

/** Series by name; values as `start+step x count`. */
export type Series = Readonly<Record<string, string>>;

const COUNT = "x100";

/** An hour and a half of a server that works. */
export const QUIET_SERIES: Series = {
  'up{job="cairn"}': `1+0${COUNT}`,
  'cairn_link_up{instance="edge",host="tables"}': `1+0${COUNT}`,
  'cairn_link_up{instance="learn",host="tables"}': `0+0${COUNT}`,
  // A host that is listed and never started.
  'cairn_link_up{instance="edge",host="spare"}': `0+0${COUNT}`,
  'cairn_http_request_seconds_count{route="/v1/rank",status="200"}': `0+6000${COUNT}`,
  'cairn_http_request_seconds_count{route="/v1/rank",status="503"}': `0+1${COUNT}`,
  'cairn_http_request_seconds_bucket{route="/v1/rank",le="0.01"}': `0+6000${COUNT}`,
  'cairn_http_request_seconds_bucket{route="/v1/rank",le="0.5"}': `0+6000${COUNT}`,
  'cairn_http_request_seconds_bucket{route="/v1/rank",le="+Inf"}': `0+6000${COUNT}`,
  "cairn_http_requests_shed_total": `0+0${COUNT}`,
  'cairn_log_refusing{log="examples"}': `0+0${COUNT}`,
  'cairn_log_bytes{log="events"}': `100+0${COUNT}`,
  'cairn_log_bytes_max{log="events"}': `1000+0${COUNT}`,
  // Behind for a while after a restart.
  'cairn_log_records_unread{log="events",actor="joiner/0"}': "0x70 50000x8 20x30",
  'cairn_log_records_unread{log="examples",actor="trainer/0"}': "2x60 5000x9 3x40",
  'cairn_trainer_diverged{trainer="0"}': `0+0${COUNT}`,
  'cairn_joiner_outcomes_total{outcome="examplesEmitted"}': `0+1000${COUNT}`,
  'cairn_joiner_outcomes_total{outcome="actionsMatched"}': `0+100${COUNT}`,
  'cairn_joiner_outcomes_total{outcome="actionsUnmatched"}': `0+1${COUNT}`,
  'cairn_joiner_outcomes_total{outcome="actionsMissed"}': `0+0${COUNT}`,
  'cairn_trainer_examples_total{trainer="0"}': `0+1000${COUNT}`,
  "cairn_joiner_examples_dropped_total": `0+0${COUNT}`,
  'cairn_trainer_rows_refused_total{trainer="0"}': `0+0${COUNT}`,
  'cairn_trainer_went_back_total{trainer="0"}': `0+0${COUNT}`,
  'cairn_trainer_auc{task="click"}': `0.7+0${COUNT}`,
  'cairn_actor_restarts_total{actor="trainer/0"}': `0+0${COUNT}`,
  'cairn_actor_messages_dropped_total{actor="scorer/0"}': `0+0${COUNT}`,
  'cairn_snapshots_total{outcome="taken"}': `0+1${COUNT}`,
  'cairn_snapshots_total{outcome="failed"}': `0+0${COUNT}`,
  'cairn_shard_updates_total{shard="0",outcome="admitted"}': `0+100${COUNT}`,
  'cairn_shard_updates_total{shard="0",outcome="evicted"}': `0+10${COUNT}`,
  'cairn_shard_updates_total{shard="0",outcome="rejected"}': `0+0${COUNT}`,
  'cairn_replica_rows_left_out_total{shard="0"}': `0+0${COUNT}`,
  'cairn_events_total{status="accepted"}': `0+1000${COUNT}`,
  'cairn_events_total{status="rejected"}': `0+10${COUNT}`,
  "cairn_events_unlogged_total": `0+1${COUNT}`,
  "cairn_joiner_clock_lead_ms": `0+0${COUNT}`,
  "cairn_erasures_overdue": `0+0${COUNT}`,
};

/** A case in which an alert fires at minute 90. */
export interface AlertCase {
  readonly alert: string;
  /** Series that differ from {@link QUIET_SERIES}. */
  readonly series: Series;
  /** Labels of the alert, besides its severity. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** In the order of deploy/prometheus/alerts.yaml. */
export const alertCases: readonly AlertCase[] = [
  { alert: "CairnDown", series: { 'up{job="cairn"}': `0+0${COUNT}` }, labels: { job: "cairn" } },
  {
    alert: "CairnHostAway",
    series: { 'cairn_link_up{instance="edge",host="tables"}': "1x80 0x20" },
    labels: { host: "tables" },
  },
  {
    alert: "CairnRankingsFail",
    series: {
      'cairn_http_request_seconds_count{route="/v1/rank",status="503"}': `0+200${COUNT}`,
    },
  },
  {
    alert: "CairnRankingsSlow",
    series: { 'cairn_http_request_seconds_bucket{route="/v1/rank",le="0.01"}': `0+3000${COUNT}` },
  },
  { alert: "CairnRequestsShed", series: { "cairn_http_requests_shed_total": `0+1${COUNT}` } },
  {
    alert: "CairnLogRefuses",
    series: { 'cairn_log_refusing{log="examples"}': `1+0${COUNT}` },
    labels: { log: "examples" },
  },
  {
    alert: "CairnLogFills",
    series: { 'cairn_log_bytes{log="events"}': `700+0${COUNT}` },
    labels: { log: "events" },
  },
  {
    alert: "CairnTrainingStopped",
    series: { 'cairn_trainer_diverged{trainer="0"}': `1+0${COUNT}` },
    labels: { trainer: "0" },
  },
  {
    alert: "CairnTrainingStandsStill",
    series: { 'cairn_trainer_examples_total{trainer="0"}': `1000+0${COUNT}` },
  },
  {
    alert: "CairnReaderBehind",
    series: {
      'cairn_log_records_unread{log="examples",actor="trainer/0"}': `0x40 10+10${COUNT}`,
    },
    labels: { log: "examples", actor: "trainer/0" },
  },
  {
    // The trainer begins on another host, whose first figure has the loss.
    alert: "CairnEventsLost",
    series: { 'cairn_trainer_log_lost_total{trainer="0"}': `_x60 1x60` },
    labels: { trainer: "0" },
  },
  {
    alert: "CairnExamplesDropped",
    series: { "cairn_joiner_examples_dropped_total": `0+5${COUNT}` },
  },
  {
    alert: "CairnExamplesRefused",
    series: { 'cairn_trainer_rows_refused_total{trainer="0"}': `0+1${COUNT}` },
    labels: { trainer: "0" },
  },
  {
    alert: "CairnModelWentBack",
    series: { 'cairn_trainer_went_back_total{trainer="0"}': `0x60 1x60` },
    labels: { trainer: "0" },
  },
  {
    alert: "CairnQualityFell",
    series: { 'cairn_trainer_auc{task="click"}': "0.7x30 0.6x80" },
    labels: { task: "click" },
  },
  {
    alert: "CairnPartRestarts",
    series: { 'cairn_actor_restarts_total{actor="trainer/0"}': `0+1${COUNT}` },
    labels: { actor: "trainer/0" },
  },
  {
    alert: "CairnMessagesDropped",
    series: { 'cairn_actor_messages_dropped_total{actor="scorer/0"}': `0+1${COUNT}` },
    labels: { actor: "scorer/0" },
  },
  {
    alert: "CairnSnapshotsFail",
    series: {
      'cairn_snapshots_total{outcome="taken"}': `5+0${COUNT}`,
      'cairn_snapshots_total{outcome="failed"}': `0+1${COUNT}`,
    },
  },
  {
    alert: "CairnTablesFull",
    series: { 'cairn_shard_updates_total{shard="0",outcome="rejected"}': `0+1${COUNT}` },
    labels: { shard: "0", outcome: "rejected" },
  },
  {
    alert: "CairnRowsEvictedEarly",
    series: { 'cairn_shard_updates_total{shard="0",outcome="evicted"}': `0+100${COUNT}` },
  },
  {
    alert: "CairnReplicaFull",
    series: { 'cairn_replica_rows_left_out_total{shard="0"}': `0+1${COUNT}` },
    labels: { shard: "0" },
  },
  {
    alert: "CairnEventsRejected",
    series: { 'cairn_events_total{status="rejected"}': `0+100${COUNT}` },
  },
  {
    alert: "CairnEventsUnmatched",
    series: { 'cairn_joiner_outcomes_total{outcome="actionsUnmatched"}': `0+10${COUNT}` },
  },
  {
    alert: "CairnEventsUnlogged",
    series: { "cairn_events_unlogged_total": `0+20${COUNT}` },
  },
  {
    alert: "CairnActionsMissed",
    series: { 'cairn_joiner_outcomes_total{outcome="actionsMissed"}': `0+5${COUNT}` },
  },
  {
    alert: "CairnClockSetBack",
    series: { "cairn_joiner_clock_lead_ms": `120000+0${COUNT}` },
  },
  { alert: "CairnErasureOverdue", series: { "cairn_erasures_overdue": `1+0${COUNT}` } },
];
