//! Random sequences of messages, times and orders; what must be true of them is in model/.

mod model;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
    #[test]
    fn nothing_panics_nothing_leaks_nothing_unjudged_leaves(bytes in prop::collection::vec(any::<u8>(), 2..320)) {
        model::run(&bytes);
    }
}
