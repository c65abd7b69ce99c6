//! What user code may do to the state of the system: segment registers, flags, far transfers, the images of XSAVE.
//! Random operands would only fault, so these come in groups that put a fitting operand there first.

use super::Making;
use crate::layout::CODE;
use crate::rng::Rng;
use x86_decode::{Mode, Op};

/// Selectors worth loading: those of user code, the null ones, the thread's own, of the system, and of nothing.
const SELECTORS: [u16; 26] = [
    0x23, 0x2b, 0x2b, 0x2b, 0x33, 0, 3, 0x28, 0x2a, 0x20, 0x30, 0x63, 0x63, 0x6b, 0x6b, 0x73, 0x60, 0x10,
    0x18, 0x40, 0x50, 0x7b, 0x83, 0x07, 0x2f, 0xffff,
];

/// `mov eax, IMM; mov edx, 0` before an instruction of the XSAVE family: which components.
const COMPONENTS_LEN: usize = 10;

/// Bytes of a whole group of [`Making::image`] at most, up to its last instruction.
pub(super) const IMAGE_LEN: usize = 5 + 16 * 10 + 7 + COMPONENTS_LEN;

/// Whether the components that an instruction of the XSAVE family at an offset is asked for are settled just before it, and
/// none but those that engines have.
pub(super) fn asks_for_known_components(bytes: &[u8], at: usize) -> bool {
    let Some(before) = at.checked_sub(COMPONENTS_LEN).and_then(|start| bytes.get(start..at)) else {
        return false;
    };
    before[0] == 0xb8 && before[1] < 8 && before[2..] == [0, 0, 0, 0xba, 0, 0, 0, 0]
}

/// Whether the two instructions before one of the XSAVE family are what they seem, given all instructions by their start
/// and end.
pub(super) fn is_reached_through_both(spans: &[(usize, usize)], at: usize) -> bool {
    let (first, second) = (at - COMPONENTS_LEN, at - 5);
    let within = |start: usize| start > first && start < at && start != second;
    spans.iter().any(|(start, _)| *start == first)
        && !spans.iter().any(|&(start, end)| within(start) || start < first && end > first)
}

/// Whether an `iret` at an offset has the image of flags of [`Making::interrupt_return`] before it, without AC: where the stack is
/// not aligned, the processor raises #AC by the new flag, Linux takes it for a split lock by the old one, and the
/// program does not go on.
pub(super) fn returns_without_alignment_check(bytes: &[u8], at: usize) -> bool {
    let Some(pushes) = at.checked_sub(15).and_then(|start| bytes.get(start..at)) else { return false };
    pushes.iter().step_by(5).all(|byte| *byte == 0x68) && pushes[3] & 4 == 0
}

/// The family that asks for components.
pub(super) fn is_xsave(op: Op) -> bool {
    matches!(op, Op::Xsave | Op::Xsaveopt | Op::Xsavec | Op::Xrstor)
}

impl Making<'_> {
    fn long(&self) -> bool {
        self.generator.mode == Mode::Bits64
    }

    /// `push imm`, sign-extended.
    fn push(&mut self, value: u32) {
        self.bytes.push(0x68);
        self.bytes.extend(value.to_le_bytes());
    }

    fn here(&self) -> u32 {
        CODE as u32 + self.bytes.len() as u32
    }

    /// One of these groups.
    pub(super) fn system(&mut self, rng: &mut Rng) {
        match rng.below(8) {
            0 | 1 => self.flags(rng),
            2..=4 => self.segment(rng),
            5 => self.far(rng),
            6 => self.selector_test(rng),
            _ => self.image(rng),
        }
    }

    /// POPF of any image. TF is rarer, since it ends the sequence.
    fn flags(&mut self, rng: &mut Rng) {
        let mut image = rng.bits() as u32 & 0x003f_7fff;
        if !rng.one_in(4) {
            image &= !0x100;
        }
        self.push(image);
        if rng.one_in(8) {
            self.bytes.push(0x66);
        }
        self.bytes.push(0x9d);
        self.undefined = x86_decode::FlagSet::NONE;
    }

    /// A selector into a segment register, from a register or the stack.
    fn segment(&mut self, rng: &mut Rng) {
        let selector = rng.pick(&SELECTORS);
        // Not CS.
        let seg = rng.pick(&[0_u8, 0, 2, 3, 3, 4, 5]);
        if rng.one_in(2) {
            // mov reg, imm; mov sreg, reg
            let reg = rng.pick(&[0_u8, 1, 2, 3, 7]);
            self.used |= 1 << reg;
            self.bytes.push(0xb8 | reg);
            self.bytes.extend(u32::from(selector).to_le_bytes());
            self.bytes.extend([0x8e, 0xc0 | seg << 3 | reg]);
            return;
        }
        self.push(selector.into());
        match seg {
            4 => self.bytes.extend([0x0f, 0xa1]),
            5 => self.bytes.extend([0x0f, 0xa9]),
            _ if self.long() => self.bytes.extend([0x8e, 0x04 | seg << 3, 0x24]),
            _ => self.bytes.push(0x07 | seg << 3),
        }
    }

    /// LAR, LSL, VERR or VERW of a selector.
    fn selector_test(&mut self, rng: &mut Rng) {
        let selector = rng.pick(&SELECTORS);
        self.used |= 3;
        self.bytes.push(0xb8);
        self.bytes.extend(u32::from(selector).to_le_bytes());
        // lar ecx, eax; lsl ecx, eax; verr ax; verw ax
        let tests = [[0x0f, 0x02, 0xc8], [0x0f, 0x03, 0xc8], [0x0f, 0x00, 0xe0], [0x0f, 0x00, 0xe8]];
        self.bytes.extend(rng.pick(&tests));
    }

    /// A far transfer to what follows, in the same mode, or to a selector that does not allow it.
    fn far(&mut self, rng: &mut Rng) {
        let own = if self.long() { 0x33 } else { 0x23 };
        // Not the other width's: what follows would be other code.
        let other = if self.long() { 0x23 } else { 0x33 };
        let any = rng.pick(&SELECTORS);
        let selector = if rng.one_in(3) && any | 3 != other { any } else { own };
        match rng.below(4) {
            0 => {
                // push cs; push target; retf, 64 bits wide or 32
                self.push(selector.into());
                let len = 5 + if self.long() { 2 } else { 1 };
                self.push(self.here() + len);
                self.wide();
                self.bytes.push(0xcb);
            }
            1 => self.interrupt_return(rng, selector),
            2 => {
                // jmp far [sp] or call far [sp], of an offset of the stack's width; the operand stays where it is.
                self.push(selector.into());
                let len = 5 + if self.long() { 4 } else { 3 };
                self.push(self.here() + len);
                self.wide();
                self.bytes.extend([0xff, if rng.one_in(2) { 0x2c } else { 0x1c }, 0x24]);
            }
            _ if self.long() => {
                // retf of 32-bit words, which two pushes do not make: one of both.
                self.push(self.here() + 5 + 8 + 1);
                // mov dword [rsp+4], selector
                self.bytes.extend([0xc7, 0x44, 0x24, 4]);
                self.bytes.extend(u32::from(selector).to_le_bytes());
                self.bytes.push(0xcb);
            }
            _ => {
                // jmp far selector:target, or call
                self.bytes.push(if rng.one_in(2) { 0xea } else { 0x9a });
                let target = self.here() + 6;
                self.bytes.extend(target.to_le_bytes());
                self.bytes.extend(selector.to_le_bytes());
            }
        }
    }

    /// REX.W in 64-bit code.
    fn wide(&mut self) {
        if self.long() {
            self.bytes.push(0x48);
        }
    }

    /// `iret` to what follows.
    fn interrupt_return(&mut self, rng: &mut Rng, selector: u16) {
        if self.long() {
            // push ss; push rsp
            self.push(if rng.one_in(6) { rng.pick(&SELECTORS).into() } else { 0x2b });
            self.bytes.push(0x54);
        }
        self.push(rng.bits() as u32 & 0x003b_3eff);
        self.push(selector.into());
        let len = 5 + if self.long() { 2 } else { 1 };
        self.push(self.here() + len);
        self.wide();
        self.bytes.push(0xcf);
        self.undefined = x86_decode::FlagSet::NONE;
    }

    /// An instruction of the XSAVE family, and what it is to save or restore.
    fn image(&mut self, rng: &mut Rng) {
        // XSAVEOPT and XSAVEC show what the processor takes for used (XINUSE, SDM vol. 1 §13.6), which need not be what
        // differs from the initial state.
        let restores = rng.one_in(2);
        let address = crate::layout::DATA as u32 + 64 * rng.below(48) as u32;
        // mov esi, address; mov eax, components; mov edx, 0
        self.bytes.push(0xbe);
        self.bytes.extend(address.to_le_bytes());
        if restores || rng.one_in(2) {
            // A header that can be restored: XSTATE_BV below 8, the rest zero.
            for offset in (0..64).step_by(4) {
                let value = if offset == 0 { rng.below(8) as u32 } else { 0 };
                // mov dword [esi+512+offset], value
                self.bytes.extend([0xc7, 0x86]);
                self.bytes.extend((512 + offset as u32).to_le_bytes());
                self.bytes.extend(value.to_le_bytes());
            }
            // mov dword [esi+24], MXCSR
            self.bytes.extend([0xc7, 0x46, 24]);
            self.bytes.extend((rng.bits() as u32 & 0xffff).to_le_bytes());
        }
        self.bytes.push(0xb8);
        self.bytes.extend((rng.below(8) as u32).to_le_bytes());
        self.bytes.push(0xba);
        self.bytes.extend(0_u32.to_le_bytes());
        // xrstor [esi]; xsave [esi]
        self.bytes.extend([0x0f, 0xae, if restores { 0x2e } else { 0x26 }]);
        if !restores {
            // XSTATE_BV has XINUSE too: mov dword [esi+512], 0
            self.bytes.extend([0xc7, 0x86, 0, 2, 0, 0, 0, 0, 0, 0]);
        }
        self.used |= 0x45;
    }
}
