//! Statuses of a table's exports that refuse their input; `table_exports.ts` puts them into words.

pub const REFUSED_NO_TABLE: i32 = -1;
pub const REFUSED_LENGTH: i32 = -2;
pub const REFUSED_CODE: i32 = -3;
pub const REFUSED_MEMORY: i32 = -4;
pub const REFUSED_CONSUMER: i32 = -5;
pub const REFUSED_ACKNOWLEDGEMENT: i32 = -6;
pub const REFUSED_SNAPSHOT: i32 = -7;
pub const REFUSED_CHECKSUM: i32 = -8;
/// Refused options are `REFUSED_OPTIONS - word`.
pub const REFUSED_OPTIONS: i32 = -1000;
