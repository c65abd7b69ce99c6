//! The interpreter, driven like the host.

use guest_mem::{Access, AddressSpace, Backing, FramePool, Prot, Sharing, Vma};
use testkit::host::{Outcome, Trap};
use testkit::layout::{CODE, CODE_LEN, DATA, DATA_LEN, TARGET_GAP};
use testkit::state::{State, fx};
use x86_cpu::{CodeMode, CpuState, Cpuid, ExecEngine, Exit, F80, Level, SyscallGate};
use x86_decode::Mode;
use x86_interp::Interp;

pub(crate) struct Guest {
    mem: AddressSpace,
    interp: Interp,
}

/// What the interpreter made of a case.
pub(crate) struct Got {
    pub(crate) outcome: Outcome,
    pub(crate) data: Vec<u8>,
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

impl Guest {
    pub(crate) fn new() -> Guest {
        let pool = FramePool::new(100);
        let mem = AddressSpace::new(&pool);
        let rw = Prot::READ | Prot::WRITE;
        mem.map(area(CODE, CODE_LEN, rw | Prot::EXEC)).expect("maps");
        mem.map(area(DATA, DATA_LEN, rw)).expect("maps");
        Guest { mem, interp: Interp::with(Cpuid::of(Level::Full), 1 << 16) }
    }

    pub(crate) fn run(&mut self, code: &[u8], len: usize, mode: Mode, state: &State, data: &[u8]) -> Got {
        self.mem.write_bytes(CODE, code).expect("writable");
        self.mem.write_bytes(DATA, data).expect("writable");
        let mut cpu = load(state, mode);
        let outcome = self.interp.run(&mut cpu, &self.mem, 1 << 20);
        let mut data = vec![0; DATA_LEN];
        self.mem.read_bytes(DATA, &mut data).expect("readable");
        let next = CODE + len as u64 + 2;
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
        Got { outcome: Outcome { state: save(&cpu), taken, trap }, data }
    }
}

fn load(state: &State, mode: Mode) -> CpuState {
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

fn save(cpu: &CpuState) -> State {
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
