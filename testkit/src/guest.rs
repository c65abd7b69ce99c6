//! An engine, driven like the host.

use crate::layout::{
    self, CODE, CODE_LEN, CONTROL, CONTROL_LEN, DATA, DATA_LEN, STUB, STUB_TAKEN, TARGET_GAP, THREAD_AREAS,
};
use crate::outcome::{self, Outcome, Ran, Trap};
use crate::state::{State, fx};
use guest_mem::{Access, AddressSpace, FramePool, Prot, Vma};
use x86_cpu::{CodeMode, CpuState, Descriptor, ExecEngine, Exit, F80, SyscallGate, Vector, selector};
use x86_decode::Mode;

/// A guest of its own for an engine, with the layout of the host's.
#[derive(Debug)]
pub struct Guest<E> {
    mem: AddressSpace,
    engine: E,
    /// Bytes of code written by the last run.
    dirty: usize,
    changed_mode: bool,
}

fn area(start: u64, len: usize, prot: Prot) -> Vma {
    Vma::anonymous(start, start + len as u64, prot)
}

impl<E: ExecEngine> Guest<E> {
    /// Maps code and data for an engine.
    pub fn new(engine: E) -> Guest<E> {
        let pool = FramePool::new(100);
        let mem = AddressSpace::new(&pool);
        let rw = Prot::READ | Prot::WRITE;
        mem.map(area(CODE, CODE_LEN, rw | Prot::EXEC)).expect("maps");
        mem.map(area(DATA, DATA_LEN, rw)).expect("maps");
        Guest { mem, engine, dirty: CODE_LEN, changed_mode: false }
    }

    /// Whether the last run ended in code of the other width by itself: what the upper halves of registers hold then is the
    /// processor's own affair.
    pub fn changed_mode(&self) -> bool {
        self.changed_mode
    }

    /// Runs one instruction, or several, as the host's `run` does.
    pub fn run(&mut self, bytes: &[u8], mode: Mode, state: &State, data: &[u8]) -> Ran {
        let mut code = layout::code(bytes, mode);
        code.resize(code.len().max(self.dirty), 0xcc);
        self.dirty = code.len();
        self.mem.write_bytes(CODE, &code).expect("writable");
        self.mem.write_bytes(DATA, data).expect("writable");
        let mut cpu = load(state, mode);
        let ran = self.engine.run(&mut cpu, &self.mem, 1 << 20);
        let mut data = vec![0; DATA_LEN];
        self.mem.read_bytes(DATA, &mut data).expect("readable");
        let next = CODE + bytes.len() as u64;
        // The ways out touch what is not there.
        let out = |address: u64| (CONTROL..CONTROL + CONTROL_LEN as u64).contains(&address);
        // 32-bit code faults in the stub, 64-bit code where it would tell that it was there.
        let taken = if mode == Mode::Bits64 { cpu.rip == next + TARGET_GAP } else { cpu.rip == STUB_TAKEN };
        self.changed_mode = cpu.mode != mode_of(mode) && !out(cpu.rip);
        let trap = match ran.exit {
            Exit::Fault(fault) if out(fault.addr) && (cpu.rip == next || cpu.rip == STUB || taken) => None,
            Exit::Fault(fault) => {
                let error = 4 | if fault.access == Access::Write { 2 } else { 0 };
                Some(Trap { vector: 14, error, address: fault.addr, rip: cpu.rip })
            }
            // A single step out of the code.
            Exit::Exception(e)
                if e.vector == Vector::Debug && !(CODE..CODE + CODE_LEN as u64).contains(&cpu.rip) =>
            {
                None
            }
            Exit::Exception(e) => {
                Some(Trap { vector: e.vector as u64, error: e.error_code.into(), address: 0, rip: cpu.rip })
            }
            Exit::Syscall(gate) => {
                let vector = if gate == SyscallGate::Int80 { outcome::INT80 } else { outcome::SYSCALL };
                Some(Trap { vector, error: 0, address: 0, rip: cpu.rip })
            }
            Exit::Budget => Some(Trap { vector: outcome::TIMEOUT, error: 0, address: 0, rip: cpu.rip }),
        };
        let stepped = matches!(ran.exit, Exit::Exception(_));
        let taken = trap.is_none() && taken && !stepped;
        Ran { outcome: Outcome { state: save(&cpu), taken, trap }, data }
    }
}

fn mode_of(mode: Mode) -> CodeMode {
    if mode == Mode::Bits64 { CodeMode::Bits64 } else { CodeMode::Bits32 }
}

pub(crate) fn load(state: &State, mode: Mode) -> CpuState {
    let mut cpu = CpuState::new(mode_of(mode));
    // As the host loads them for code of either width.
    cpu.segments.ds.selector = selector::USER_DS;
    cpu.segments.es.selector = selector::USER_DS;
    cpu.tls = THREAD_AREAS.map(|(base, limit)| Descriptor {
        base,
        limit: limit << 12 | 0xfff,
        present: true,
        user_desc_flags: Descriptor::SEG_32BIT | Descriptor::LIMIT_IN_PAGES | Descriptor::USEABLE,
    });
    cpu.rip = CODE;
    load_registers(&mut cpu, state);
    cpu
}

/// Gives a processor the registers of a state.
pub fn load_registers(cpu: &mut CpuState, state: &State) {
    cpu.gpr = state.gpr;
    cpu.rflags = state.rflags as u32;
    cpu.fpu.control = state.fx16(fx::FCW);
    cpu.fpu.status = state.fx16(fx::FSW);
    cpu.fpu.in_use = state.fx[fx::FTW];
    cpu.fpu.last_opcode = state.fx16(fx::FOP);
    cpu.fpu.last_ip = state.fx64(fx::FIP);
    cpu.fpu.last_dp = state.fx64(fx::FDP);
    let top = cpu.fpu.top();
    for n in 0..8 {
        cpu.fpu.registers[(top + n) % 8] = F80::from_bytes(state.st(n));
    }
    for n in 0..16 {
        cpu.xmm[n] = state.xmm(n);
    }
    cpu.ymm_high = state.ymm_high;
    cpu.mxcsr = state.mxcsr();
}

pub(crate) fn save(cpu: &CpuState) -> State {
    let mut state = State { gpr: cpu.gpr, rflags: cpu.rflags.into(), fx: [0; 512], ymm_high: cpu.ymm_high };
    state.fx[fx::FCW..][..2].copy_from_slice(&cpu.fpu.control.to_le_bytes());
    state.fx[fx::FSW..][..2].copy_from_slice(&cpu.fpu.status.to_le_bytes());
    state.fx[fx::FTW] = cpu.fpu.in_use;
    state.fx[fx::FOP..][..2].copy_from_slice(&cpu.fpu.last_opcode.to_le_bytes());
    state.fx[fx::FIP..][..8].copy_from_slice(&cpu.fpu.last_ip.to_le_bytes());
    state.fx[fx::FDP..][..8].copy_from_slice(&cpu.fpu.last_dp.to_le_bytes());
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
