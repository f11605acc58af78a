//! Random sequences of messages, times and orders; what must be true of them is in model/.

mod model;

use model::{Step, METHODS, STATUSES};
use proptest::prelude::*;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..METHODS.len(), 0u8..3, 1u32..5, 0u8..5, 0u8..4).prop_map(|(m, c, s, b, t)| Step::Request(m, c, s, b, t)),
        3 => (0..METHODS.len(), 0u8..3, 1u32..5, 0u8..4).prop_map(|(m, c, s, t)| Step::FromGateway(m, c, s, t)),
        6 => (any::<usize>(), prop::sample::select(&STATUSES[..]), 0u8..4).prop_map(|(i, s, t)| Step::Respond(i, s, t)),
        2 => (any::<usize>(), prop::option::of((any::<usize>(), any::<u8>()))).prop_map(|(i, c)| Step::Repeat(i, c)),
        1 => any::<usize>().prop_map(Step::Undeliverable),
        3 => (0u64..40_000).prop_map(Step::Wait),
        3 => any::<usize>().prop_map(Step::Release),
        1 => any::<usize>().prop_map(Step::Hangup),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Step::Bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000,
        ..ProptestConfig::default() })]
    #[test]
    fn nothing_panics_nothing_leaks_nothing_unjudged_leaves(steps in prop::collection::vec(step(), 1..60)) {
        model::run(steps);
    }
}
