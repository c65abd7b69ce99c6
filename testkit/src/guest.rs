//! An engine, driven like the host.

use crate::layout::{CODE, CODE_LEN, DATA, DATA_LEN, TARGET_GAP};
use crate::outcome::{Outcome, Ran, Trap};
use crate::state::{State, fx};
use guest_mem::{Access, AddressSpace, Backing, FramePool, Prot, Sharing, Vma};
use x86_cpu::{CodeMode, CpuState, ExecEngine, Exit, F80, SyscallGate};
use x86_decode::Mode;

/// A guest of its own for an engine, with the layout of the host's.
#[derive(Debug)]
pub struct Guest<E> {
    mem: AddressSpace,
    engine: E,
}

fn area(start: u64, len: usize, prot: Prot) -> Vma {
    Vma {
        start,
        end: start + len as u64,
        prot,
        sharing: Sharing::Private,
        backing: Backing::Anonymous,
        grows_down_to: None,
        max_prot: Prot::ALL,
        skip_fork: false,
        name: None,
    }
}

impl<E: ExecEngine> Guest<E> {
    /// Maps code and data for an engine.
    pub fn new(engine: E) -> Guest<E> {
        let pool = FramePool::new(100);
        let mem = AddressSpace::new(&pool);
        let rw = Prot::READ | Prot::WRITE;
        mem.map(area(CODE, CODE_LEN, rw | Prot::EXEC)).expect("maps");
        mem.map(area(DATA, DATA_LEN, rw)).expect("maps");
        Guest { mem, engine }
    }

    /// Runs one instruction, or several, as the host's `run` does.
    pub fn run(&mut self, bytes: &[u8], mode: Mode, state: &State, data: &[u8]) -> Ran {
        self.mem.write_bytes(CODE, &code(bytes, &INT80)).expect("writable");
        self.mem.write_bytes(DATA, data).expect("writable");
        let mut cpu = load(state, mode);
        let outcome = self.engine.run(&mut cpu, &self.mem, 1 << 20);
        let mut data = vec![0; DATA_LEN];
        self.mem.read_bytes(DATA, &mut data).expect("readable");
        let next = CODE + bytes.len() as u64 + 2;
        let trap = match outcome.exit {
            Exit::Syscall(SyscallGate::Int80) if cpu.rip == next || cpu.rip == next + TARGET_GAP => None,
            Exit::Fault(fault) => {
                let error = 4 | if fault.access == Access::Write { 2 } else { 0 };
                Some(Trap { vector: 14, error, address: fault.addr, rip: cpu.rip })
            }
            Exit::Exception(e) => {
                Some(Trap { vector: e.vector as u64, error: e.error_code.into(), address: 0, rip: cpu.rip })
            }
            other => panic!("unexpected {other:?} at {:#x}", cpu.rip),
        };
        let taken = trap.is_none() && cpu.rip != next;
        Ran { outcome: Outcome { state: save(&cpu), taken, trap }, data }
    }
}

pub(crate) fn load(state: &State, mode: Mode) -> CpuState {
    let mut cpu = CpuState::new(if mode == Mode::Bits64 { CodeMode::Bits64 } else { CodeMode::Bits32 });
    cpu.gpr = state.gpr;
    cpu.rip = CODE;
    cpu.rflags = state.rflags as u32;
    cpu.fpu.control = state.fx16(fx::FCW);
    cpu.fpu.status = state.fx16(fx::FSW);
    cpu.fpu.in_use = state.fx[fx::FTW];
    let top = cpu.fpu.top();
    for n in 0..8 {
        cpu.fpu.registers[(top + n) % 8] = F80::from_bytes(state.st(n));
    }
    for n in 0..16 {
        cpu.xmm[n] = state.xmm(n);
    }
    cpu.ymm_high = state.ymm_high;
    cpu.mxcsr = state.mxcsr();
    cpu
}

pub(crate) fn save(cpu: &CpuState) -> State {
    let mut state = State { gpr: cpu.gpr, rflags: cpu.rflags.into(), fx: [0; 512], ymm_high: cpu.ymm_high };
    state.fx[fx::FCW..][..2].copy_from_slice(&cpu.fpu.control.to_le_bytes());
    state.fx[fx::FSW..][..2].copy_from_slice(&cpu.fpu.status.to_le_bytes());
    state.fx[fx::FTW] = cpu.fpu.in_use;
    state.fx[fx::MXCSR..][..4].copy_from_slice(&cpu.mxcsr.to_le_bytes());
    let top = cpu.fpu.top();
    for n in 0..8 {
        state.fx[fx::ST + 16 * n..][..10].copy_from_slice(&cpu.fpu.registers[(top + n) % 8].to_bytes());
    }
    for n in 0..16 {
        state.fx[fx::XMM + 16 * n..][..16].copy_from_slice(&cpu.xmm[n].to_le_bytes());
    }
    state
}

/// `int 0x80`, at which an engine stops.
const INT80: [u8; 2] = [0xcd, 0x80];

/// Bytes an engine needs at [`CODE`] to stop where the host's jumps leave: `stop` at both exits.
fn code(bytes: &[u8], stop: &[u8]) -> Vec<u8> {
    let mut code = bytes.to_vec();
    code.extend(stop);
    code.resize(bytes.len() + TARGET_GAP as usize, 0xcc);
    code.extend(stop);
    code
}
