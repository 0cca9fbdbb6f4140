/**
 * The attributes of a film in MovieLens' and MovieTweetings' files: the year ends the title, the
 * genres are one field.
 */
import type { FeatureAttributes } from "../../kernels/features/feature_request.ts";

/**
 * `"Toy Story (1995)"`, `"Adventure|Comedy"` → `{ title, year: 1995, genres: [...] }`; missing
 * parts are left out.
 */
export function movieAttributes(title: string, genres: string): FeatureAttributes {
  const year = /\((\d{4})(?:[-–]\d{0,4})?\)\s*$/.exec(title);
  const names = genres.split("|").map((name) => name.trim())
    .filter((name) => name !== "" && name !== "(no genres listed)");
  return {
    title: title.trim(),
    ...(year === null ? {} : { year: Number(year[1]) }),
    ...(names.length === 0 ? {} : { genres: names }),
  };
}
