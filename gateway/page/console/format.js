/** Numbers and times as text. */

export const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
export const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

export function formatBytes(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; bytes >= 1024 && unit < units.length - 1; unit++) bytes /= 1024;
  return `${short.format(bytes)} ${units[unit]}`;
}

export function formatMs(ms) {
  return ms < 1_000 ? `${short.format(ms)} ms` : `${short.format(ms / 1000)} s`;
}

export const formats = {
  "per second": (value) => `${short.format(value)}/s`,
  ms: formatMs,
  share: (value) => `${short.format(value * 100)} %`,
  bytes: formatBytes,
  count: (value) => value >= 10_000 ? compact.format(value) : short.format(value),
  cores: (value) => short.format(value),
  AUC: (value) => value.toFixed(3),
};

export function formatTime(atMs) {
  return new Date(atMs).toLocaleTimeString([], { hour12: false });
}
