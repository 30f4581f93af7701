//! The memory of masks that are done, kept by an encoder for the next ones.
//!
//! Gets boundaries, runs and what else nobody needs any more; gives their memory; guarantees what a [`Pool`] guarantees.

use crate::boundary::{Boundaries, Marker, Marks};
use crate::mask::Label;
use crate::memory::{List, Pool};
use crate::runs::{Room, Run};

/// Memory of boundaries, for each type of labels, of runs, and of connected pieces.
#[derive(Debug, Default)]
pub(super) struct Spare {
    pub(super) runs: Pool<List<Run>>,
    pub(super) components: Pool<Room>,
    u8: Pool<Boundaries<u8>>,
    u16: Pool<Boundaries<u16>>,
    u32: Pool<Boundaries<u32>>,
    u64: Pool<Boundaries<u64>>,
}

impl Spare {
    /// Gives all memory back.
    pub(super) fn clear(&self) {
        self.runs.clear();
        self.components.clear();
        self.u8.clear();
        self.u16.clear();
        self.u32.clear();
        self.u64.clear();
    }
}

/// One of the four types of labels, by which memory and engines are chosen.
pub(super) trait Typed: Label {
    /// The memory of boundaries of such labels.
    fn spare(spare: &Spare) -> &Pool<Boundaries<Self>>;

    /// The engine, as it marks such labels.
    fn marks(marker: &dyn Marker) -> &dyn Marks<Self>;
}

macro_rules! typed {
    ($($label:ident)*) => {$(
        impl Typed for $label {
            fn spare(spare: &Spare) -> &Pool<Boundaries<Self>> {
                &spare.$label
            }

            fn marks(marker: &dyn Marker) -> &dyn Marks<Self> {
                marker
            }
        }
    )*};
}
typed!(u8 u16 u32 u64);
