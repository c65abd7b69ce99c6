//! The text of instructions against iced's Intel formatter, over the code of this test itself: a listing must say the same,
//! not look the same.

use std::collections::BTreeMap;

use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter, MemorySizeOptions, Mnemonic};
use x86_decode::{Mode, decode};

#[path = "support/elf.rs"]
mod elf;

/// Our spelling of iced's text.
fn normal(text: &str) -> String {
    let text =
        text.replace(" short ", " ").replace(" near ptr", "").replace("notrack ", "").replace("bnd ", "");
    // The target of RIP-relative operands stands behind ours.
    text.split("  #").next().unwrap_or_default().to_owned()
}

/// What is written otherwise, with the reason.
const OTHERWISE: &[(&[Mnemonic], &str)] = &[
    (&[Mnemonic::Nop], "the memory operand of a long nop has no size: nothing is accessed"),
    (&[Mnemonic::Imul], "two equal operands are written twice"),
    (
        &[Mnemonic::Movsb, Mnemonic::Movsw, Mnemonic::Movsd, Mnemonic::Movsq, Mnemonic::Cmpsb],
        "the operands of string instructions are implicit",
    ),
    (
        &[
            Mnemonic::Stosb,
            Mnemonic::Stosw,
            Mnemonic::Stosd,
            Mnemonic::Stosq,
            Mnemonic::Scasb,
            Mnemonic::Lodsb,
        ],
        "the operands of string instructions are implicit",
    ),
];

fn formatter(signed_immediates: bool) -> IntelFormatter {
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_small_hex_numbers_in_decimal(false);
    options.set_space_after_operand_separator(true);
    options.set_branch_leading_zeros(false);
    options.set_rip_relative_addresses(true);
    options.set_use_pseudo_ops(false);
    options.set_memory_size_options(MemorySizeOptions::Always);
    options.set_signed_immediate_operands(signed_immediates);
    formatter
}

#[test]
fn reads_as_iced_does() {
    let file = std::fs::read(std::env::current_exe().expect("a path")).expect("readable");
    let Some((mode, sections)) = elf::code(&file).filter(|(mode, _)| *mode == Mode::Bits64) else { return };
    // Ours have a sign where the instruction extends it; iced knows all or none.
    let mut formatters = [formatter(false), formatter(true)];
    let (mut compared, mut different) = (0, BTreeMap::new());
    for section in sections {
        let mut decoder = Decoder::with_ip(64, section.bytes, section.address, DecoderOptions::NONE);
        while decoder.can_decode() {
            let start = decoder.position();
            let theirs = decoder.decode();
            let Ok(ours) = decode(&section.bytes[start..], mode) else { continue };
            if OTHERWISE.iter().any(|(mnemonics, _)| mnemonics.contains(&theirs.mnemonic())) {
                continue;
            }
            let ours = normal(&ours.at(theirs.ip()).to_string());
            let texts = formatters.each_mut().map(|formatter| {
                let mut text = String::new();
                formatter.format(&theirs, &mut text);
                normal(&text)
            });
            compared += 1;
            if !texts.contains(&ours) {
                different.entry(format!("{:?}", theirs.mnemonic())).or_insert((0, ours, texts)).0 += 1;
            }
        }
    }
    println!("{compared} texts compared");
    assert!(compared > 10_000);
    assert!(different.is_empty(), "{different:#?}");
}
