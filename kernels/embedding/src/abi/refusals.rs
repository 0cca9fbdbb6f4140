//! Statuses by which exports refuse their input; `kernel_refusals.ts` has a sentence for each.

pub const REFUSED_NO_TABLE: i32 = -1;
pub const REFUSED_LENGTH: i32 = -2;
pub const REFUSED_CODE: i32 = -3;
pub const REFUSED_MEMORY: i32 = -4;
pub const REFUSED_CONSUMER: i32 = -5;
pub const REFUSED_ACKNOWLEDGEMENT: i32 = -6;
pub const REFUSED_SNAPSHOT: i32 = -7;
pub const REFUSED_CHECKSUM: i32 = -8;
pub const REFUSED_SHAPE: i32 = -9;
pub const REFUSED_OFFSETS: i32 = -10;
pub const REFUSED_INDEX: i32 = -11;
pub const REFUSED_PLAN: i32 = -12;
pub const REFUSED_SLOT: i32 = -13;
pub const REFUSED_GROUPS: i32 = -14;
pub const REFUSED_CLASS: i32 = -15;
/// Options are refused with `REFUSED_OPTIONS - word`.
pub const REFUSED_OPTIONS: i32 = -1000;
