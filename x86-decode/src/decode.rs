//! From bytes to [`Insn`]: prefixes, opcode, row, ModRM, operands (SDM vol. 2 chapter 2).

use crate::FeatureSet;
use crate::insn::{Insn, Mode, Operand, Reg, Rep, Seg, Width};
use crate::operands::{Decoding, REX_B, REX_R, REX_W};
use crate::plain;
use crate::reader::Reader;
use crate::row::Size;
use crate::spec::Banks;
use crate::table::index;

/// Why bytes are not an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecodeError {
    /// The instruction goes on behind the bytes given: call again with more of them; 15 always suffice.
    Truncated,
    /// No instruction of this CPU: #UD.
    Invalid,
    /// Longer than 15 bytes: #GP (SDM vol. 2 §2.3.11).
    TooLong,
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            DecodeError::Truncated => "the instruction continues behind the bytes given",
            DecodeError::Invalid => "no instruction",
            DecodeError::TooLong => "the instruction is longer than 15 bytes",
        })
    }
}

impl core::error::Error for DecodeError {}

/// Longest instruction (SDM vol. 2 §2.3.11).
pub const MAX_LEN: usize = 15;

/// Decodes the instruction that `bytes` start with, as code of `mode`, on a CPU with every feature the table knows.
///
/// Bytes behind the instruction are not looked at.
///
/// ```
/// use x86_decode::{Mode, Op, Operand, Reg, decode};
///
/// let insn = decode(&[0x48, 0x01, 0xd8], Mode::Bits64).unwrap();
/// assert_eq!((insn.op, insn.len), (Op::Add, 3));
/// assert_eq!(insn.operands[0], Operand::Reg(Reg::Gpr64(0)));
/// ```
pub fn decode(bytes: &[u8], mode: Mode) -> Result<Insn, DecodeError> {
    decode_for(bytes, mode, FeatureSet::ALL)
}

/// Decodes as a CPU with `features` does: an instruction it lacks is [`DecodeError::Invalid`], or the older one that its
/// encoding was before (`bsf` for `tzcnt`, `nop` for `endbr64`).
///
/// Real and virtual-8086 mode have no VEX: there a CPU without [`crate::Feature::Avx`], BMI1 and BMI2 is asked for, with
/// [`Mode::Bits16`] (SDM vol. 2 §2.3.1).
///
/// ```
/// use x86_decode::{Feature, FeatureSet, Mode, Op, decode, decode_for};
///
/// let bytes = [0xf3, 0x0f, 0xbc, 0xc1];
/// let old = FeatureSet::of(&[Feature::Sse2]);
/// assert_eq!(decode(&bytes, Mode::Bits64).unwrap().op, Op::Tzcnt);
/// assert_eq!(decode_for(&bytes, Mode::Bits64, old).unwrap().op, Op::Bsf);
/// ```
pub fn decode_for(bytes: &[u8], mode: Mode, features: FeatureSet) -> Result<Insn, DecodeError> {
    let mut insn = Insn::NONE;
    decode_into(bytes, mode, features, &mut insn)?;
    Ok(insn)
}

/// Decodes as [`decode_for`] into an instruction that the caller has; after an error it is any.
///
/// The fastest way to decode a lot.
pub fn decode_into(
    bytes: &[u8],
    mode: Mode,
    features: FeatureSet,
    insn: &mut Insn,
) -> Result<(), DecodeError> {
    let Some(window) = bytes.first_chunk() else { return decode_last(bytes, mode, features, insn) };
    if plain(window, mode, features, insn).is_some() {
        return Ok(());
    }
    match instruction(window, mode, features, insn) {
        // Whatever was made of bytes behind the longest instruction is void.
        (read, _) if read > MAX_LEN => Err(DecodeError::TooLong),
        (_, Some(())) => Ok(()),
        (_, None) => Err(DecodeError::Invalid),
    }
}

/// Decodes near the end of code: zeros stand for what is missing, and count for nothing.
#[cold]
fn decode_last(bytes: &[u8], mode: Mode, features: FeatureSet, insn: &mut Insn) -> Result<(), DecodeError> {
    let mut window = [0; Reader::WINDOW];
    for (to, from) in window.iter_mut().zip(bytes) {
        *to = *from;
    }
    match instruction(&window, mode, features, insn) {
        (read, _) if read > MAX_LEN && bytes.len() >= MAX_LEN => Err(DecodeError::TooLong),
        (read, _) if read > bytes.len() => Err(DecodeError::Truncated),
        (_, Some(())) => Ok(()),
        (_, None) => Err(DecodeError::Invalid),
    }
}

/// Decodes what most code consists of. None: the long way has to be taken.
#[inline(always)]
fn plain(window: &[u8; Reader::WINDOW], mode: Mode, features: FeatureSet, insn: &mut Insn) -> Option<()> {
    match mode {
        Mode::Bits64 => plain::decode::<true>(window, features, insn),
        Mode::Bits32 => plain::decode::<false>(window, features, insn),
        Mode::Bits16 => None,
    }
}

/// Bytes read, and whether they are an instruction: the long way, for all of them.
#[inline(never)] // The short way saves fewer registers for it.
pub(crate) fn instruction(
    window: &[u8; Reader::WINDOW],
    mode: Mode,
    features: FeatureSet,
    insn: &mut Insn,
) -> (usize, Option<()>) {
    if mode == Mode::Bits64 {
        instruction_in::<true>(window, mode, features, insn)
    } else {
        instruction_in::<false>(window, mode, features, insn)
    }
}

/// Any instruction.
fn instruction_in<const LONG: bool>(
    window: &[u8; Reader::WINDOW],
    mode: Mode,
    features: FeatureSet,
    insn: &mut Insn,
) -> (usize, Option<()>) {
    let mut code = Reader::new(window);
    let done = read::<LONG>(&mut code, mode, features, insn);
    (code.position(), done)
}

#[inline(always)]
fn read<const LONG: bool>(
    code: &mut Reader<'_>,
    mode: Mode,
    features: FeatureSet,
    insn: &mut Insn,
) -> Option<()> {
    let mut p = Prefixes::of(0);
    let mut opcode = code.u8();
    let mut map = 0;
    let mut vvvv = 0;
    let effects = &EFFECTS[mode as usize];
    let mut effect = effects[0];
    let kinds = &FIRST_BYTES[usize::from(LONG)];
    let mut kind = kinds[usize::from(opcode)];
    if kind != FirstByte::Opcode {
        // One REX prefix is the most frequent case.
        if kind == FirstByte::Rex {
            p.state = u32::from(opcode);
            opcode = code.u8();
            kind = kinds[usize::from(opcode)];
        }
        if kind == FirstByte::Prefix || kind == FirstByte::Rex {
            opcode = p.read::<LONG>(opcode, code);
            kind = kinds[usize::from(opcode)];
        }
        let mut vex_key = 0;
        if kind == FirstByte::Escape {
            map = 1;
            opcode = code.u8();
            if opcode == 0x38 || opcode == 0x3a {
                map = if opcode == 0x38 { 2 } else { 3 };
                opcode = code.u8();
            }
        } else if kind == FirstByte::Vex && (LONG || code.peek() >= 0xc0) {
            // In 16- and 32-bit code LDS and LES have no register form; VEX begins where it would be.
            let vex = p.vex::<LONG>(opcode, code)?;
            (map, vvvv, vex_key) = (vex.map, vex.vvvv, vex.key);
            opcode = code.u8();
        }
        effect = effects[p.effect()];
        effect.key |= vex_key | (index::KEY_REX_B * (p.state & u32::from(REX_B)));
        effect.banks = effect.banks.with_vector(vex_key & index::KEY_L != 0);
    }

    let entry = index::entry(map, opcode);
    if entry.is_empty() {
        return None;
    }
    let modrm = if entry.has_modrm() { code.u8() } else { 0 };

    let key = effect.key | u32::from(modrm) | (index::KEY_REG * u32::from(modrm >= 0xc0));
    let (found, row) = index::find(entry, key, features)?;

    let width = WIDTHS[found.size as usize][usize::from(LONG)][effect.operand_size as usize];
    let addr = effect.addr;
    let mut d = Decoding {
        code: *code,
        mode,
        rex: p.state as u8,
        seg: p.seg,
        opcode,
        modrm,
        width,
        addr,
        banks: effect.banks.with_width(width),
        vex_w: key & index::KEY_REX_W != 0,
        vvvv,
    };
    let operands = d.operands(&found.layout, &mut insn.operands);
    *code = d.code;
    operands?;
    insn.op = found.op;
    insn.len = code.position() as u8;
    insn.width = width;
    insn.addr = addr;
    insn.lock = p.lock;
    insn.rep = Rep::None;
    if found.repeatable {
        insn.rep = match p.state >> Prefixes::MANDATORY {
            index::KEY_F3 => Rep::Rep,
            index::KEY_F2 => Rep::Repne,
            _ => Rep::None,
        };
    }
    insn.seg = p.seg.unwrap_or(Seg::Ds);
    insn.row = row;
    if found.layout.vsib | p.lock {
        return special(insn, found.layout.vsib, found.lockable);
    }
    Some(())
}

/// Gathers and locked instructions have conditions on their operands.
#[cold]
fn special(insn: &Insn, vsib: bool, lockable: bool) -> Option<()> {
    if vsib && !gathers_apart(&insn.operands) {
        return None;
    }
    if insn.lock && !(lockable && matches!(insn.operands[0], Operand::Mem(_))) {
        return None;
    }
    Some(())
}

/// What prefixes and mode come to.
#[derive(Clone, Copy)]
pub(crate) struct Effect {
    pub(crate) operand_size: Width,
    addr: Width,
    /// All of the key but ModRM, REX.B and what VEX adds.
    pub(crate) key: u32,
    pub(crate) banks: Banks,
}

/// By mode and [`Prefixes::effect`].
static EFFECTS: [[Effect; 64]; 3] = {
    let modes = [Mode::Bits16, Mode::Bits32, Mode::Bits64];
    let none = Effect {
        operand_size: Width::W32,
        addr: Width::W32,
        key: 0,
        banks: Banks::new(false, false, false, Width::W32),
    };
    let mut all = [[none; 64]; 3];
    let mut i = 0;
    while i < 3 * 64 {
        let state = ((i % 64) << Prefixes::EFFECT) as u32;
        all[i / 64][i % 64] = Prefixes::of(state).effect_in(modes[i / 64]);
        i += 1;
    }
    all
};

/// Operand and address size of a mode, without and with their prefix (SDM vol. 1 tables 3-3 and 3-4).
const SIZES: [[(Width, Width); 2]; 3] = {
    use Width::{W16, W32, W64};
    [[(W16, W16), (W32, W32)], [(W32, W32), (W16, W16)], [(W32, W64), (W16, W32)]]
};

/// [`Insn::width`] by [`Size`], 64-bit mode, and operand size.
pub(crate) static WIDTHS: [[[Width; 4]; 2]; 7] = {
    use Width::{W8, W16, W32, W64};
    let mut widths = [[[W8, W16, W32, W64]; 2]; 7];
    widths[Size::Byte as usize] = [[W8; 4]; 2];
    widths[Size::OszNoW as usize] = [[W8, W16, W32, W32]; 2];
    widths[Size::D64 as usize][1] = [W8, W16, W64, W64];
    widths[Size::F64 as usize][1] = [W64; 4];
    widths[Size::Native as usize] = [[W32; 4], [W64; 4]];
    widths[Size::RexW as usize] = [[W8, W32, W32, W64]; 2];
    widths
};

/// Destination, index and mask of a gather must be three registers (SDM vol. 2, VGATHERDPS).
fn gathers_apart(operands: &[Operand; 4]) -> bool {
    let number = |operand: &Operand| match *operand {
        Operand::Reg(Reg::Xmm(n) | Reg::Ymm(n)) => n,
        Operand::Mem(mem) => mem.index & 0xf,
        _ => 0xff,
    };
    let [a, b, c, _] = operands.each_ref().map(number);
    a != b && b != c && a != c
}

pub(crate) struct Prefixes {
    /// In the bits of its own encoding, the REX prefix; R, X, B and W of a VEX prefix in its place. In bits that REX
    /// leaves, 66 and 67; behind them the last of F2 and F3 as it stands in the key.
    state: u32,
    lock: bool,
    /// Last segment override.
    seg: Option<Seg>,
}

/// What a first byte is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FirstByte {
    Opcode,
    /// In 64-bit code.
    Rex,
    Prefix,
    /// 0F.
    Escape,
    /// VEX, or an opcode outside 64-bit code.
    Vex,
}

/// Outside and in 64-bit code.
static FIRST_BYTES: [[FirstByte; 256]; 2] = [first_bytes(false), first_bytes(true)];

const fn first_bytes(long: bool) -> [FirstByte; 256] {
    let mut kinds = [FirstByte::Opcode; 256];
    let mut byte = 0x40;
    while long && byte < 0x50 {
        kinds[byte] = FirstByte::Rex;
        byte += 1;
    }
    let prefixes = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3];
    let mut i = 0;
    while i < prefixes.len() {
        kinds[prefixes[i]] = FirstByte::Prefix;
        i += 1;
    }
    kinds[0x0f] = FirstByte::Escape;
    kinds[0xc4] = FirstByte::Vex;
    kinds[0xc5] = FirstByte::Vex;
    kinds
}

/// What VEX says beyond REX and the mandatory prefix.
struct Vex {
    map: usize,
    /// L, W, and whether vvvv names a register, as they stand in the key.
    key: u32,
    vvvv: u8,
}

impl Prefixes {
    const REX: u32 = 0x4f;
    pub(crate) const P66: u32 = 1 << 4;
    const P67: u32 = 1 << 5;
    /// Shift of the last of F2 and F3.
    pub(crate) const MANDATORY: u32 = 7;
    /// Shift of what decides on the effect: from REX.W up.
    const EFFECT: u32 = 3;

    /// The effect's place in [`EFFECTS`].
    #[inline]
    fn effect(&self) -> usize {
        (self.state >> Self::EFFECT & 63) as usize
    }

    /// Prefixes in the bits of [`Prefixes::state`].
    pub(crate) const fn of(state: u32) -> Prefixes {
        Prefixes { state, lock: false, seg: None }
    }

    /// What they come to in `mode`.
    pub(crate) const fn effect_in(&self, mode: Mode) -> Effect {
        let long = matches!(mode, Mode::Bits64);
        let wide = self.state & REX_W as u32 != 0;
        let p66 = self.state & Self::P66 != 0;
        let p67 = self.state & Self::P67 != 0;
        let operand_size = if wide { Width::W64 } else { SIZES[mode as usize][p66 as usize].0 };
        let addr = SIZES[mode as usize][p67 as usize].1;
        let mandatory = match self.state >> Self::MANDATORY {
            index::KEY_NP if p66 => index::KEY_66,
            other => other,
        };
        let key = (mandatory << index::KEY_PREFIX_SHIFT)
            | (index::key_width(operand_size) << index::KEY_OSZ_SHIFT)
            | (index::KEY_LONG * long as u32)
            | (index::KEY_REX_W * wide as u32);
        let banks = Banks::new(self.state & 0x40 != 0, long, wide, addr);
        Effect { operand_size, addr, key, banks }
    }

    /// Reads the VEX prefix that begins with `first`. Gives its map, and what has no place in prefixes. None: #UD.
    #[inline(always)]
    fn vex<const LONG: bool>(&mut self, first: u8, code: &mut Reader<'_>) -> Option<Vex> {
        if self.state & !Self::P67 != 0 || self.lock {
            return None;
        }
        let mut fields = code.u8();
        let mut map = 1;
        let mut key = 0;
        // R, X and B stand inverted, in the order of REX; two-byte VEX has R only.
        let mut rex = !fields >> 5 & REX_R;
        if first == 0xc4 {
            map = usize::from(fields & 0x1f);
            rex = !fields >> 5;
            fields = code.u8();
            if fields & 0x80 != 0 {
                key |= index::KEY_REX_W;
                rex |= REX_W;
            }
        }
        if !(1..=3).contains(&map) {
            return None;
        }
        let mut vvvv = !fields >> 3 & 0xf;
        key |= index::KEY_VVVV * u32::from(vvvv != 0);
        key |= index::KEY_L * u32::from(fields & 4 != 0);
        self.state |= u32::from(fields & 3) << Self::MANDATORY;
        if LONG {
            self.state |= u32::from(rex);
        } else {
            vvvv &= 7;
        }
        // The maps of VEX stand behind those without.
        Some(Vex { map: map + 3, key, vvvv })
    }

    #[inline(always)]
    fn repeat(&mut self, prefix: u32) {
        self.state = self.state & ((1 << Self::MANDATORY) - 1) | prefix << Self::MANDATORY;
    }

    /// Reads prefixes, of which `byte` may be the first. Gives the byte behind them.
    #[inline(always)]
    fn read<const LONG: bool>(&mut self, mut byte: u8, code: &mut Reader<'_>) -> u8 {
        // More than fifteen of them are an error already.
        while code.position() <= MAX_LEN {
            match byte {
                0x66 => self.state |= Self::P66,
                0x67 => self.state |= Self::P67,
                0xf0 => self.lock = true,
                0xf2 => self.repeat(index::KEY_F2),
                0xf3 => self.repeat(index::KEY_F3),
                0x64 => self.seg = Some(Seg::Fs),
                0x65 => self.seg = Some(Seg::Gs),
                // 64-bit mode ignores these four; an earlier FS or GS override stays (SDM vol. 2 §2.1.1).
                0x26 | 0x2e | 0x36 | 0x3e if LONG => {}
                0x26 => self.seg = Some(Seg::Es),
                0x2e => self.seg = Some(Seg::Cs),
                0x36 => self.seg = Some(Seg::Ss),
                0x3e => self.seg = Some(Seg::Ds),
                0x40..=0x4f if LONG => {}
                _ => break,
            }
            // A REX prefix that is not the last one counts for nothing (SDM vol. 2 §2.2.1).
            if LONG {
                self.state &= !Self::REX;
                if byte & 0xf0 == 0x40 {
                    self.state |= u32::from(byte);
                }
            }
            byte = code.u8();
        }
        byte
    }
}
