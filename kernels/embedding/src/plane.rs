//! Planes of buckets, and the two choices of a bucket that a hash has.

use crate::bucket::{Bucket, Line};
use crate::memory::{Blocks, Memory};

/// Buckets of a plane.
pub const GROUPS: usize = 64;
/// Bytes of a plane.
const PLANE_BYTES: usize = GROUPS * size_of::<Line>();
/// Upper bound of the planes that an index takes from its memory at once.
const EXTENT_PLANES: usize = 16;

/// One bucket a group, in consecutive memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plane(*mut Line);

impl Plane {
    /// No plane.
    pub const NONE: Plane = Plane(std::ptr::null_mut());

    /// Empties all buckets.
    pub fn clear(self) {
        // SAFETY: a plane is as many lines, and only one thread uses it.
        unsafe { self.0.write_bytes(0, GROUPS) }
    }

    /// The bucket of a group.
    #[inline(always)]
    pub fn bucket(self, group: u32) -> Bucket {
        debug_assert!((group as usize) < GROUPS);
        Bucket::at(self.0.wrapping_add(group as usize))
    }
}

/// The planes of an index.
pub struct Planes {
    blocks: Blocks,
    /// A plane that was taken and given back.
    spare: Option<Plane>,
}

impl Planes {
    /// No planes so far.
    pub fn new() -> Planes {
        Planes {
            blocks: Blocks::new(PLANE_BYTES, PLANE_BYTES, EXTENT_PLANES * PLANE_BYTES),
            spare: None,
        }
    }

    /// Takes a plane, which the caller must clear; `None` at the memory limit.
    pub fn take(&mut self, memory: &mut Memory) -> Option<Plane> {
        let spare = self.spare.take();
        spare.or_else(|| Some(Plane(self.blocks.take(memory)?.as_ptr().cast())))
    }

    /// Returns the last plane taken, which must not be used any more.
    pub fn give_back(&mut self, plane: Plane) {
        self.spare = Some(plane);
    }
}

/// One of the two buckets that an entry may lie in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Bucket of the plane, below `GROUPS`.
    pub group: u32,
    /// Chooses the plane, see `plane_choice.rs`; below 256.
    pub choice_byte: u32,
}

impl Choice {
    /// The first choice of a hash in a subtable of depth `depth`. Bit 7 of the choice byte is the
    /// bit of the hash that follows the subtable's. The lowest bit of the group is that of the tag;
    /// in the other choice it is not (`is_guest`).
    #[inline(always)]
    pub fn first(hash: u64, depth: u8) -> Choice {
        let next_bit = (hash << depth >> 63) as u32;
        Choice {
            group: (((hash >> 8) as u32 % GROUPS as u32) & !1) | u32::from(tag_of(hash) & 1),
            choice_byte: hash as u32 & 127 | next_bit << 7,
        }
    }

    /// The choice of an entry that lies in a bucket of `group`.
    #[inline(always)]
    pub fn at(group: u32, choice_byte: u8) -> Choice {
        Choice { group, choice_byte: choice_byte.into() }
    }

    /// The alternate bucket for this tag. An involution: `c.other(t).other(t) == c`.
    #[inline(always)]
    pub fn other(self, tag: u8) -> Choice {
        let mixed = u32::from(tag).wrapping_mul(0x9E37_79B1);
        let group_bits = GROUPS.trailing_zeros();
        Choice {
            group: self.group ^ (mixed >> (32 - group_bits) | 1),
            choice_byte: self.choice_byte ^ (mixed >> 16 & 127),
        }
    }

    /// Both choices of a hash, and its tag.
    #[inline(always)]
    pub fn both(hash: u64, depth: u8) -> ([Choice; 2], u8) {
        let tag = tag_of(hash);
        let first = Choice::first(hash, depth);
        ([first, first.other(tag)], tag)
    }
}

/// Whether an entry with this tag in a bucket of `group` is in its second bucket.
#[inline(always)]
pub fn is_guest(group: u32, tag: u8) -> bool {
    (group ^ u32::from(tag)) & 1 == 1
}

/// The tag of a hash, 1 to 255, from bits that choose neither subtable nor bucket, except for the
/// lowest one.
#[inline(always)]
pub fn tag_of(hash: u64) -> u8 {
    let tag = (hash >> 32) as u8;
    tag + u8::from(tag == 0)
}

#[cfg(test)]
mod tests;
