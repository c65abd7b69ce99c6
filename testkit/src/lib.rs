//! What tests of execution engines share: a generator of instructions that walks the decoder's table ([`forms`]),
//! random machine states weighted towards edges ([`state`], [`rng`]), both together as a row's [`trials`], the real
//! processor as the oracle (`host`, on x86-64 Linux) or what it did as a record ([`vectors`]), an engine run likewise
//! ([`guest`]) or beside a whole program (`lockstep`), and what of the outcomes must agree ([`compare`], [`skips`]).
//!
//! What this crate deliberately does not know: any engine. It is for tests only, so it may use `unsafe`, which is all
//! in `host`.
#![warn(missing_docs)]

pub mod compare;
pub mod forms;
pub mod guest;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod host;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod lockstep;
pub mod outcome;
pub mod rng;
pub mod sequence;
pub mod skips;
pub mod state;
pub mod trials;
pub mod vectors;

/// Where test cases live, in the host process and in the guest alike. All below 2 GiB, so that 32-bit code and
/// absolute addresses reach it.
pub mod layout {
    use x86_decode::Mode;

    /// Two pages of code.
    pub const CODE: u64 = 0x2000_0000;
    /// Bytes of code.
    pub const CODE_LEN: usize = 0x2000;
    /// One page of data, with nothing mapped on either side.
    pub const DATA: u64 = 0x2100_0000;
    /// Bytes of data.
    pub const DATA_LEN: usize = 0x1000;
    /// Distance from the end of the instruction under test to the target of its jumps.
    pub const TARGET_GAP: u64 = 0x20;
    /// Two pages that the host keeps for itself; guests have nothing there. Many bits away from the others, so that a
    /// changed bit does not lead there.
    pub const CONTROL: u64 = 0x5c3a_6000;
    /// Bytes of control pages.
    pub const CONTROL_LEN: usize = 0x2000;
    /// 64-bit code that 32-bit code comes back to.
    pub const STUB: u64 = CONTROL + 0x1000;
    /// The same for 32-bit code that was at its jump target; it says so first.
    pub const STUB_TAKEN: u64 = STUB + 0x40;
    /// Where 64-bit code finds its way back.
    pub const EXIT: u64 = CONTROL + 144;
    /// A byte that says that the jump target was reached.
    pub const TAKEN: u64 = CONTROL + 184;

    /// Base, and limit in pages, of the segments that a thread has of its own (set_thread_area(2)): a flat one, one that is flat
    /// but for its base, and one that ends before the data.
    pub const THREAD_AREAS: [(u32, u32); 3] = [(0, 0xf_ffff), (0x1000, 0xf_ffff), (0, 0x2_0fff)];

    /// mov byte ptr [TAKEN], 1
    pub const TAKE: [u8; 8] = {
        let at = (TAKEN as u32).to_le_bytes();
        [0xc6, 0x04, 0x25, at[0], at[1], at[2], at[3], 1]
    };

    /// The code pages with an instruction, or several, and the ways out behind it: next to it, and [`TARGET_GAP`] later.
    pub fn code(bytes: &[u8], mode: Mode) -> Vec<u8> {
        let exit: Vec<u8> = if mode == Mode::Bits64 {
            // jmp qword ptr [EXIT]
            [&[0xff, 0x24, 0x25], &(EXIT as u32).to_le_bytes()[..]].concat()
        } else {
            // jmp far 0x33:STUB
            [&[0xea], &(STUB as u32).to_le_bytes()[..], &[0x33, 0]].concat()
        };
        let mut code = bytes.to_vec();
        code.extend(&exit);
        code.resize(bytes.len() + TARGET_GAP as usize, 0xcc);
        if mode == Mode::Bits64 {
            code.extend(TAKE);
            code.extend(&exit);
        } else {
            // Whatever segments the code has loaded: jmp far 0x33:STUB_TAKEN
            code.push(0xea);
            code.extend((STUB_TAKEN as u32).to_le_bytes());
            code.extend([0x33, 0]);
        }
        code
    }
}
