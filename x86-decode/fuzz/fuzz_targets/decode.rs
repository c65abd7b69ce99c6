//! No bytes make the decoder or its text panic, and no instruction is longer than fifteen bytes or than its code.
//!
//! `cargo +nightly fuzz run decode`, in x86-decode.
#![no_main]

use libfuzzer_sys::fuzz_target;
use x86_decode::{Feature, FeatureSet, MAX_LEN, Mode, decode_for};

fuzz_target!(|bytes: &[u8]| {
    for features in [FeatureSet::ALL, FeatureSet::of(&[Feature::Sse2])] {
        for mode in [Mode::Bits16, Mode::Bits32, Mode::Bits64] {
            if let Ok(insn) = decode_for(bytes, mode, features) {
                let len = usize::from(insn.len);
                assert!((1..=MAX_LEN.min(bytes.len())).contains(&len));
                assert!(features.contains(insn.row.features()));
                assert!(!insn.at(0x1000).to_string().is_empty());
                // The bytes behind an instruction do not matter.
                let alone = decode_for(&bytes[..len], mode, features).expect("the same instruction");
                assert_eq!((alone.row.id, alone.operands), (insn.row.id, insn.operands));
            }
        }
    }
});
