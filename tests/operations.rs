//! What the fuzz target of operations checks, for as many random bytes as a test has time for.

#[path = "../fuzz/src/operations.rs"]
mod operations;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn operations_fit_together(data in prop::collection::vec(any::<u8>(), 0..120)) {
        operations::operations(&data);
    }

    /// Small steps and small masks, in which runs touch and overlap.
    #[test]
    fn operations_fit_together_where_much_touches(
        kind in any::<u8>(),
        sides in (1_u8..20, 1_u8..20),
        rest in prop::collection::vec(prop_oneof![20 => 0_u8..6, 1 => Just(255_u8)], 0..100),
    ) {
        let mut data = vec![kind & 28, sides.0, sides.1];
        data.extend(rest);
        operations::operations(&data);
    }
}
